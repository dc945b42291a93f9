"""JavaScript codecs of makers on published vectors, and hostile codecs that must be contained."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.core import limits
from gateway.core.types import Count, Message, Observation, Reading
from gateway.decoders.contract import DecodeError
from gateway.decoders.lorawan.javascript import Codec
from gateway.decoders.mapping.rows import Value
from gateway.decoders.registry import load

FOLDER = Path(__file__).parent / "codecs"
EUI = "24e124136b000001"
CURRENT = tuple(Value(("clamps", str(at)), "current", "A", part=None if at == 0 else f"clamp-{at + 1}") for at in range(3))

# maker, model, port, published bytes -> the published values (akenza-io/device-type-library, thingsboard/data-converters)
VECTORS: tuple[tuple[str, int, str, dict[str, float]], ...] = (
    ("netvox", 6, "01950124ff3d0000000000", {"voltage": 3.6, "temperature": -19.5}),
    ("netvox", 6, "011e012400000182000000", {"voltage": 3.6, "illuminance": 386}),
    ("browan", 103, "000b361d350200003c0035", {"voltage": 3.6, "temperature": 22, "humidity": 29, "co2": 565}),
    ("bosch", 2, "0112", {"occupancy": 1, "temperature": 18}),
    ("dragino", 2, "cc2c0a2901dc017fff7fff", {"voltage": 3.116, "temperature": 26.01, "humidity": 47.6}),
    ("tektelic", 10, "036700f204686100ba0bc1", {"temperature": 24.2, "humidity": 48.5, "voltage": 3.009}),
    ("seeed", 1, "010110b068000001021088f400008cff", {"temperature": 26.8, "humidity": 62.6}),
    ("talkpool", 2, "3f1fb702b1", {"temperature": 21.9, "humidity": 25.3, "co2": 689}),
    ("pressac", 1, "7b00c801150305", {"current": 1.23}),
    ("hkt", 1, "686b7400070700780096000000c8000000c8", {}),
    (
        "imbuildings",
        1,
        "01030004a30b00f7412603015f09fa0c74037900",
        {"voltage": 3.51, "temperature": 25.54, "humidity": 31.88, "co2": 889, "occupancy": 0},
    ),
    ("terabee", 1, "00000002000000030f", {}),
)


def decoded(codec: Codec, payload: str, port: int = 1, model: str = "m") -> list[Observation]:
    body = {"devEui": EUI, "model": model, "fPort": port, "bytes": payload}
    return load("lorawan_bytes").coded((codec,)).decode(Message("", json.dumps(body).encode(), 0))


def codec_of(maker: str) -> Codec:
    rows = CURRENT if maker == "pressac" else ()
    return Codec((FOLDER / f"{maker}.js").read_text("utf-8"), (f"{maker}*",), rows)


@pytest.mark.parametrize(("maker", "port", "payload", "values"), VECTORS)
def test_codecs_of_makers_on_published_vectors(maker: str, port: int, payload: str, values: dict[str, float]) -> None:
    codec = codec_of(maker)
    codec.check()
    found = decoded(codec, payload, port, f"{maker.title()} X1")
    readings = {one.quantity: one.value for one in found if isinstance(one, Reading) and one.device == EUI}
    assert readings == pytest.approx(values)
    if not values:
        assert [one.kind for one in found if isinstance(one, Count)].count("total") == 2


def test_there_are_codecs_of_ten_makers() -> None:
    assert len({maker for maker, *_ in VECTORS}) == len(list(FOLDER.glob("*.js"))) >= 10


LOOP = "for(;;){}"
HOSTILE: dict[str, str] = {
    "loops": LOOP,
    "allocates": "var a=[];for(;;)a.push(new Array(1000).fill(7))",
    "doubles a text": "var s='x';for(;;)s+=s",
    "fills an array": "new Array(1e9).fill(0)",
    "takes a buffer": "new ArrayBuffer(1<<30)",
    "recurses": "function f(){return f()+1} f()",
    "parses deep JSON": "JSON.parse('['.repeat(1e6))",
    "backtracks": "/^(a+)+$/.test('a'.repeat(40)+'b')",
    "sorts for ever": "[3,2,1].sort(()=>{for(;;){}})",
    "throws": "throw new Error('x')",
    "throws an object that loops": "throw {toString(){for(;;){}},get message(){for(;;){}}}",
    "throws null": "throw null",
    "hides behind a proxy": "return new Proxy({},{get(){for(;;){}},ownKeys(){for(;;){}}})",
    "returns itself": "var o={data:{}};o.data.o=o;return o",
    "returns a toJSON that loops": "return {data:{toJSON(){for(;;){}}}}",
    "returns nothing": "return",
    "returns a number": "return {data:7}",
    "returns too much": "return {data:{a:'x'.repeat(1e6)}}",
    "returns NaN and infinities": "return {data:{temperature:0/0,humidity:1/0,pressure:-1/0,co2:'many'}}",
    "catches its own end": "for(;;){try{for(;;){}}catch(e){}finally{for(;;){}}}",
    "replaces the engine's functions": "JSON.stringify=()=>{for(;;){}};JSON.parse=JSON.stringify;eval=0;return {data:{temperature:20}}",
    "queues jobs": "function g(){Promise.resolve().then(g)} g();return {data:{temperature:20}}",
    "looks for the outside": "return {data:{temperature:20+[typeof require,typeof process,typeof std,typeof os,typeof fetch,"
    "typeof setTimeout,typeof XMLHttpRequest,typeof Deno].filter(t=>t!=='undefined').length}}",
    "imports": "import('fs');return {data:{temperature:20}}",
    "pollutes prototypes": "Object.prototype.toJSON=function(){for(;;){}};return {data:{temperature:20}}",
}
HARMLESS = {"replaces the engine's functions", "queues jobs", "looks for the outside", "imports"}
_BOUND_S = 2.0  # of processor time, on any machine; the bound itself is CODEC_CALL_S_MAX


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_codec_is_contained(name: str) -> None:
    codec = Codec(f"function decodeUplink(input){{{HOSTILE[name]}}}", ("m",))
    started = time.process_time()
    found: list[Observation] = []
    reason = ""
    try:
        found = decoded(codec, "00ff")
    except DecodeError as error:
        reason = error.reason
    assert time.process_time() - started < _BOUND_S
    readings = [one for one in found if isinstance(one, Reading)]
    assert [one.value for one in readings] == ([20] if name in HARMLESS else [])
    assert bool(reason) != (name in HARMLESS or name == "returns NaN and infinities")
    neighbour = decoded(codec_of("talkpool"), "3f1fb702b1", 2, "talkpool")
    assert len([one for one in neighbour if isinstance(one, Reading)]) == 3, "a neighbour is unharmed"


@pytest.mark.parametrize("source", ["function decodeUplink(", "var x = 1", "throw {toString(){for(;;){}}}", LOOP, "\x00", ""])
def test_a_codec_that_cannot_be_loaded_is_refused_at_check(source: str) -> None:
    with pytest.raises(ValueError, match=r"JavaScript|throws|defines neither|bound"):
        Codec(source, ("m",)).check()


def test_a_codec_that_always_loops_is_stopped_and_its_state_is_lost() -> None:
    codec = Codec(f"function decodeUplink(i){{ if (i.bytes[0]) {LOOP} return {{data:{{temperature:20}}}} }}", ("m",))
    for _ in range(limits.CODEC_FAULTS_MAX):
        with pytest.raises(DecodeError, match="codec_time"):
            decoded(codec, "01")
    with pytest.raises(DecodeError, match="codec_stopped"):
        decoded(codec, "00")


def test_without_the_engine_the_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['quickjs'] = None\n"
        "from gateway.decoders.lorawan.javascript import Codec\n"
        "try:\n    Codec('', ('m',)).check()\nexcept ValueError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "install wayside[codecs]" in done.stdout


def test_a_codec_takes_precedence_over_the_object_of_the_network_server() -> None:
    body: dict[str, Any] = {"devEui": EUI, "model": "talkpool", "bytes": "3f1fb702b1", "object": {"temperature": -3.0}}
    found = load("lorawan_bytes").coded((codec_of("talkpool"),)).decode(Message("", json.dumps(body).encode(), 0))
    assert Reading(EUI, "temperature", 21.9) in found
    assert Reading(EUI, "temperature", -3.0) not in found
