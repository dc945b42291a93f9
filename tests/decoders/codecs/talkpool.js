// Talkpool, "OY1210 payload": temperature and humidity of 12 bits, offset by 800 and 250 tenths, then CO2.
function decodeUplink(input) {
  var b = input.bytes;
  return { data: {
    temperature: (((b[0] << 4) | (b[2] >> 4)) - 800) / 10,
    humidity: (((b[1] << 4) | (b[2] & 15)) - 250) / 10,
    co2: (b[3] << 8) | b[4],
  } };
}
