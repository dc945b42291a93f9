// Dragino, "LHT65 user manual", uplink payload of 11 bytes: battery in mV, temperature and humidity of the built-in sensor.
function Decode(fPort, bytes, variables) {
  return {
    BatV: (((bytes[0] << 8) | bytes[1]) & 0x3fff) / 1000,
    TempC_SHT: (((bytes[2] << 8) | bytes[3]) << 16 >> 16) / 100,
    Hum_SHT: ((bytes[4] << 8) | bytes[5]) / 10,
  };
}
