// Netvox, "R718 series, application commands": version, device type, report type, battery in tenths of a volt, then the values.
function decodeUplink(input) {
  var b = input.bytes;
  if (input.fPort !== 6) return { errors: ["port"] };
  if (b[2] !== 1) return { data: {} };
  var data = { battery_voltage: (b[3] & 0x7f) / 10 };
  if (b[1] === 0x95) data.temperature = (((b[4] << 8) | b[5]) << 16 >> 16) / 10;
  if (b[1] === 0x1e) data.illuminance = (b[4] << 24) | (b[5] << 16) | (b[6] << 8) | b[7];
  return { data: data };
}
