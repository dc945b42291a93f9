// Pressac, "Current transformer clamp": the counter of three channels in hundredths of an ampere, little-endian.
function decodeUplink(input) {
  var b = input.bytes, at = (i) => (b[i] | (b[i + 1] << 8)) / 100;
  return { data: { clamps: [at(0), at(2), at(4)] } };
}
