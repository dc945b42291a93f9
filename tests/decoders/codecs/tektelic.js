// Tektelic, "Smart Room Sensor technical reference manual": entries of a channel, a type and a value, big-endian.
module.exports.decodeUplink = function (input) {
  var sizes = { "3:103": 2, "4:104": 1, "0:186": 2, "0:255": 2, "10:0": 1 };
  var data = {};
  for (var i = 0; i < input.bytes.length;) {
    var key = input.bytes[i] + ":" + input.bytes[i + 1], size = sizes[key];
    if (!size) return { errors: ["unknown entry " + key] };
    var value = 0;
    for (var j = 0; j < size; j++) value = (value << 8) | input.bytes[i + 2 + j];
    if (key === "3:103") data.temperature = (value << 16 >> 16) / 10;
    if (key === "4:104") data.humidity = value / 2;
    if (key === "0:186") data.battery_voltage = value / 1000;
    if (key === "10:0") data.occupied = value === 255;
    i += 2 + size;
  }
  return { data: data };
};
