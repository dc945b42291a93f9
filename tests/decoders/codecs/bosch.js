// Bosch, "Parking Lot Sensor, communication interface": port 1 a change, port 2 a heartbeat with the temperature.
const decodeUplink = (input) => {
  const data = { occupied: (input.bytes[0] & 1) === 1 };
  if (input.fPort === 2 && input.bytes.length > 1) data.temperature = input.bytes[1] << 24 >> 24;
  return { data };
};
