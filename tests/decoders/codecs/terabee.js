// Terabee, "People Counting L-XL, LoRa payload": totals in and out, and a byte of flags.
function decodeUplink(input) {
  var n = (at) => input.bytes.slice(at, at + 4).reduce((sum, one) => sum * 256 + one, 0);
  return { data: { total_in: n(0), total_out: n(4) } };
}
