// Node-RED with one flow: messages in, the work in a function node, offers out. Arguments: port, model, site.json, folder.
'use strict';

const http = require('http'), fs = require('fs'), path = require('path');
const RED = require('node-red'), ort = require('onnxruntime-node'), work = require('./work.js');

const [port, model, sitePath, folder] = process.argv.slice(2);
const site = JSON.parse(fs.readFileSync(sitePath));
const broker = {id: 'broker', type: 'mqtt-broker', broker: '127.0.0.1', port, clientid: '', protocolVersion: 5, keepalive: 60, cleansession: true};
const inlets = site.topics.map((topic, at) => (
  {id: `in${at}`, type: 'mqtt in', z: 'tab', topic, qos: '1', datatype: 'json', broker: 'broker', inputs: 0, wires: [['work']]}));
const flow = [broker, ...inlets, {id: 'tab', type: 'tab', label: 'bench'},
  {id: 'work', type: 'function', z: 'tab', outputs: 1, wires: [['out']], func: `global.get('step')(node, msg.topic, msg.payload);`},
  {id: 'out', type: 'mqtt out', z: 'tab', topic: '', qos: '1', retain: 'false', broker: 'broker', wires: []}];
// Node-RED reads the flow from this file when it starts; a flow that is set while it starts is replaced by the file's.
fs.writeFileSync(path.join(folder, 'flow.json'), JSON.stringify(flow));

ort.InferenceSession.create(model, {intraOpNumThreads: 1, interOpNumThreads: 1}).then(session => {
  const score = async (rows, count) => {
    const found = await session.run({[session.inputNames[0]]: new ort.Tensor('float32', rows, [count, site.width])});
    return found[session.outputNames[0]].data;
  };
  let outlet;
  const take = work(site, score, (topic, payload) => outlet.send({topic, payload}));
  const step = (node, topic, payload) => { outlet = node; take(topic, payload); };
  RED.init(http.createServer(), {
    httpAdminRoot: false, httpNodeRoot: false, userDir: folder, flowFile: 'flow.json', credentialSecret: 'bench',
    logging: {console: {level: 'error'}}, functionGlobalContext: {step},
  });
  RED.start();
});
