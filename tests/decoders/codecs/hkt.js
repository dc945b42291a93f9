// HKT, "People counter": the letters hkt, then type 7 with both counters since the last report, and both totals.
function decodeUplink(input) {
  var b = input.bytes, n = (at, size) => b.slice(at, at + size).reduce((sum, one) => sum * 256 + one, 0);
  if (String.fromCharCode(b[0], b[1], b[2]) !== "hkt" || b[5] !== 7) return { errors: ["no count"] };
  return { data: { counter_a: n(6, 2), counter_b: n(8, 2), total_counter_a: n(10, 4), total_counter_b: n(14, 4) } };
}
