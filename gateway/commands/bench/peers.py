"""Peers of the benchmark: a hand-written Node loop with ONNX Runtime, and Node-RED, from npm in a folder of the user's cache.

The Node loop does a part of the work of a gateway, without a store: it parses the JSON, keeps the last level of each radio at each
scanner, and scores an offer when a radio enters.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.adapters.bundle import MODEL
from gateway.commands.demo.processes import DemoError, Part

if TYPE_CHECKING:
    from gateway.commands.bench.end_to_end import Start
    from gateway.config import Config

PACKAGES = {"node": ("mqtt@5", "onnxruntime-node@1"), "node-red": ("node-red@4",)}
INSTALL_S_MAX = 600

_NODE = """
const mqtt = require('mqtt'), ort = require('onnxruntime-node');
(async () => {
  const session = await ort.InferenceSession.create(process.argv[2]);
  const width = Number(process.argv[4]), input = session.inputNames[0];
  const client = mqtt.connect('mqtt://127.0.0.1:' + process.argv[3], {protocolVersion: 5});
  let messages = 0; const present = new Map();
  client.on('connect', () => client.subscribe('#', {qos: 1}));
  client.on('message', (topic, payload) => {
    messages++;
    let body; try { body = JSON.parse(payload) } catch { return }
    const heard = body.heard ? body.heard[0] : body;
    if (!heard || heard.rssi === undefined) return;
    const key = topic; const before = present.get(key);
    present.set(key, heard.rssi);
    if (before === undefined && heard.rssi > -75 && present.size % 100 === 0)
      session.run({[input]: new ort.Tensor('float32', new Float32Array(8 * width), [8, width])});
  });
  setInterval(() => console.log(JSON.stringify({messages})), 250);
})();
"""
_FLOW = """
const http = require('http'), RED = require('node-red');
const server = http.createServer(); let messages = 0;
RED.init(server, {httpAdminRoot: false, httpNodeRoot: false, userDir: process.argv[3], logging: {console: {level: 'off'}},
  functionGlobalContext: {counted: () => { messages++ }}});
RED.start().then(() => RED.runtime.flows.setFlows({flows: {flows: [
  {id: 'broker', type: 'mqtt-broker', broker: '127.0.0.1', port: process.argv[2], clientid: '', protocolVersion: 5,
    keepalive: 60, cleansession: true},
  {id: 'flow', type: 'tab', label: 'bench'},
  {id: 'in', type: 'mqtt in', z: 'flow', topic: '#', qos: '1', datatype: 'json', broker: 'broker', wires: [['count']]},
  {id: 'count', type: 'function', z: 'flow', wires: [[]], func: `
    global.get('counted')(); const near = context.get('near') || {}; near[msg.topic] = msg.payload.rssi; context.set('near', near);`}
]}}));
setInterval(() => console.log(JSON.stringify({messages})), 250);
"""


def found_peers(config: Config) -> dict[str, Start]:
    """The peers, installed at the first use. Raises DemoError without Node or npm, or if npm cannot install them."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise DemoError("--peers needs Node.js and npm: install them, or leave --peers out")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wayside-bench"
    loop = _installed(npm, cache, "node", _NODE)
    flow = _installed(npm, cache, "node-red", _FLOW)
    model, width = _model(config, cache)

    def run(script: Path, arguments: list[str], folder: Path) -> Part:
        return Part("receiver", [node, str(script), *arguments], folder, ours=False)

    return {
        "Node + ONNX Runtime": lambda port, folder: run(loop, [str(model), str(port), str(width)], folder),
        "Node-RED": lambda port, folder: run(flow, [str(port), str(folder)], folder),
    }


def _installed(npm: str, cache: Path, name: str, script: str) -> Path:
    """The script in a folder with its packages."""
    folder = cache / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.js"
    path.write_text(script)
    if not (folder / "node_modules").exists():
        # The script of onnxruntime-node only loads libraries for GPUs.
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES[name]]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False)  # noqa: S603 - npm
        if done.returncode:
            raise DemoError(f"npm could not install {name} in {folder}: {done.stderr.strip()[-300:]}")
    return path


def _model(config: Config, cache: Path) -> tuple[Path, int]:
    """The model of the config's bundle as a file, and the number of its columns."""
    from zipfile import ZipFile  # noqa: PLC0415 - of this function only

    from gateway.build import EXPIRY_UNCHECKED, open_config_bundle  # noqa: PLC0415 - as above

    bundle = open_config_bundle(config, EXPIRY_UNCHECKED)
    path = cache / "model.onnx"
    with ZipFile(config.bundle.path) as members:
        path.write_bytes(members.read(MODEL))
    return path, len(bundle.manifest.model.columns)
