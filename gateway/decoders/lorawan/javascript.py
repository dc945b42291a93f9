"""A maker's codec for LoRaWAN devices: JavaScript, as network servers run it, in an embedded engine with bounds.

`decodeUplink(input)` of The Things Stack and ChirpStack 4 gets `{bytes, fPort, recvTime, variables}` and returns `{data, errors}`;
`Decode(fPort, bytes)` (ChirpStack 3) and `Decoder(bytes, port)` (The Things Network 2) return the object itself. The engine has no input
or output, no modules and no timers, and bounded memory, stack and processor time for each call. After a call that reached a bound the
engine is built anew, and after CODEC_FAULTS_MAX of these in a row most calls are refused at once: a codec that loops on every message must
not take the time of all other devices. The engine is quickjs-ng (extra `codecs`); its context belongs to one thread, so it is built at the
first call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from gateway.core import limits
from gateway.decoders.contract import DecodeError, Reason, refuse
from gateway.decoders.values.times import iso_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.decoders.mapping.rows import Value

# The engine's own functions are taken before the codec can replace them. Nothing that a codec throws leaves as an object: its conversion to
# a text would run code of the codec again.
_PRELUDE = """
(function () {
  const parse = JSON.parse, write = JSON.stringify, run = eval, fromCode = String.fromCharCode;
  let entry = null, form = "";
  delete Math.random;
  globalThis.module = { exports: {} };
  globalThis.exports = globalThis.module.exports;
  globalThis.__load = function (source) {
    const find = "\\n;typeof decodeUplink==='function'?['u',decodeUplink]:typeof Decode==='function'?['c',Decode]:" +
      "typeof Decoder==='function'?['t',Decoder]:typeof module.exports.decodeUplink==='function'?['u',module.exports.decodeUplink]:null";
    let found;
    try { found = run(source + find); } catch (error) { return "!" + (error instanceof SyntaxError ? "syntax" : "thrown"); }
    if (found === null) return "!missing";
    form = found[0]; entry = found[1];
    return "=";
  };
  globalThis.__call = function (text) {
    try {
      const input = parse(text);
      let data;
      if (form === "u") {
        if (input.recvTime !== null) input.recvTime = new Date(input.recvTime);
        const answer = entry(input);
        if (answer === null || typeof answer !== "object") return "#";
        if (answer.errors && answer.errors.length) return "!";
        data = answer.data;
      } else data = form === "c" ? entry(input.fPort, input.bytes, {}) : entry(input.bytes, input.fPort);
      if (data === null || typeof data !== "object") return "#";
      return "=" + write(data);
    } catch (error) { return "!"; }
  };
})();
"""
_NO_ENGINE = "JavaScript codecs need quickjs-ng: install wayside[codecs]"
_LOADED = {
    "!syntax": "it is not valid JavaScript",
    "!thrown": "it throws while it is loaded",
    "!missing": "it defines neither decodeUplink(input) nor Decode(fPort, bytes) nor Decoder(bytes, port)",
}
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_RETRY_EVERY = 1_000  # calls, of a codec that is refused


class Codec:
    """The codec of all devices whose model matches one of `models`, texts in which `*` stands for any characters."""

    def __init__(self, source: str, models: Sequence[str], rows: Sequence[Value] = ()) -> None:
        """`rows` find the values in the codec's object; without rows they are found by their names."""
        self.rows = tuple(rows)
        self._source = source
        self._models = re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in models), re.IGNORECASE | re.DOTALL)
        self._call: Any = None
        self._faults = 0
        self._refused = 0

    def fits(self, model: str) -> bool:
        """Whether the codec is that of a model."""
        return self._models.fullmatch(model) is not None

    def check(self) -> None:
        """Load the codec once. Raises ValueError with the fault, and where the engine is not installed."""
        try:
            self._build()
        except DecodeError as error:
            raise ValueError(error.detail) from None
        self._call = None  # of this thread

    def decode(self, payload: bytes, port: int | None, at_ms: int | None) -> Any:
        """The object that the codec makes of a payload.

        Raises DecodeError: "codec_time", "codec_memory", "codec_error" for one that throws or states errors, "codec_result" for a result
        that is no object or too large, "codec_stopped" after too many faults.
        """
        if self._faults >= limits.CODEC_FAULTS_MAX:
            self._refused += 1
            if self._refused % _RETRY_EVERY:
                refuse("codec_stopped", "the codec reached its bounds too often: repair it")
        call = self._call or self._build()
        given: dict[str, Any] = {
            "bytes": list(payload),
            "fPort": port,
            "recvTime": None if at_ms is None else iso_of(at_ms),
            "variables": {},
        }
        try:
            answer = call(msgspec.json.encode(given).decode())
        except Exception as error:  # noqa: BLE001 - the engine has one exception for each bound, of a module that may be missing
            self._stop(str(error))
        self._faults = 0
        if not isinstance(answer, str) or not answer.startswith("="):
            refuse("codec_error" if answer == "!" else "codec_result", "the codec throws, states errors, or returns no object")
        if len(answer) > limits.PAYLOAD_BYTES_MAX:
            refuse("codec_result", f"the codec's object is larger than {limits.PAYLOAD_BYTES_MAX} characters")
        try:
            return _ANY.decode(answer[1:].encode())
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            refuse("codec_result", "the codec's object is not JSON, or nested too deep")

    def _build(self) -> Any:
        try:
            import quickjs  # noqa: PLC0415 - an extra
        except ImportError:
            refuse("codec_error", _NO_ENGINE)
        context = quickjs.Context()
        context.set_memory_limit(limits.CODEC_MEMORY_BYTES_MAX)
        context.set_time_limit(limits.CODEC_CALL_S_MAX)
        context.set_max_stack_size(limits.CODEC_STACK_BYTES_MAX)
        context.eval(_PRELUDE)
        load, call = context.get("__load"), context.get("__call")
        context.eval("delete globalThis.__load; delete globalThis.__call")
        try:
            answer = load(self._source)
        except Exception as error:  # noqa: BLE001 - as above
            self._stop(str(error))
        if answer != "=":
            refuse("codec_error", _LOADED.get(str(answer), "it cannot be loaded"))
        self._call = call
        return call

    def _stop(self, error: str) -> NoReturn:
        self._call = None
        self._faults += 1
        reason: Reason = "codec_time" if "interrupted" in error else "codec_memory"
        refuse(reason, "the codec reached the bound of its processor time, memory or stack")


Codecs = tuple[Codec, ...]


def codec_of(codecs: Codecs, model: str | None) -> Codec | None:
    """The first codec of a model."""
    return None if model is None else next((one for one in codecs if one.fits(model)), None)
