// Browan, "Tabs Healthy Home Sensor IAQ", port 103: status, battery, temperature, humidity, CO2, organic compounds, IAQ.
function Decoder(bytes, port) {
  return port !== 103 ? {} : {
    batteryVoltage: (25 + (bytes[1] & 0x0f)) / 10,
    temperature: (bytes[2] & 0x7f) - 32,
    humidity: bytes[3] & 0x7f,
    co2: bytes[4] | (bytes[5] << 8),
  };
}
