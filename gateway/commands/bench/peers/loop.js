// A hand-written loop: mqtt.js and ONNX Runtime. Arguments: port, model, site.json.
'use strict';

const mqtt = require('mqtt'), ort = require('onnxruntime-node'), fs = require('fs'), work = require('./work.js');

const [port, model, sitePath] = process.argv.slice(2);
const site = JSON.parse(fs.readFileSync(sitePath));
ort.InferenceSession.create(model, {intraOpNumThreads: 1, interOpNumThreads: 1}).then(session => {
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {protocolVersion: 5});
  const score = async (rows, count) => {
    const found = await session.run({[session.inputNames[0]]: new ort.Tensor('float32', rows, [count, site.width])});
    return found[session.outputNames[0]].data;
  };
  const step = work(site, score, (topic, payload) => client.publish(topic, payload, {qos: 1}));
  client.on('connect', () => client.subscribe(site.topics, {qos: 1}));
  client.on('message', (topic, payload) => {
    let body;
    try { body = JSON.parse(payload); } catch { return; }
    step(topic, body);
  });
});
