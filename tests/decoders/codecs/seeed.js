// Seeed Studio, "SenseCAP LoRaWAN sensors, decoding": channel, measurement id and value of 4 bytes, little-endian, in thousandths.
function decodeUplink(input) {
  var names = { 4097: "temperature", 4098: "humidity", 4099: "illuminance", 4100: "co2" }, data = {}, b = input.bytes;
  for (var i = 0; i + 7 <= b.length - 2; i += 7) {
    var id = b[i + 1] | (b[i + 2] << 8);
    if (names[id]) data[names[id]] = (b[i + 3] | (b[i + 4] << 8) | (b[i + 5] << 16) | (b[i + 6] << 24)) / 1000;
  }
  return { data: data };
}
