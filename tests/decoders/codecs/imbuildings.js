// IMBuildings, "Comfort sensor LoRaWAN manual": payload type 1, variant 3.
function decodeUplink(input) {
  var b = input.bytes, word = (at) => (b[at] << 8) | b[at + 1];
  if (b[0] !== 1 || b[1] !== 3) return { errors: ["another payload"] };
  return { data: { battery_voltage: word(11) / 100, temperature: word(13) / 100, humidity: word(15) / 100, CO2: word(17), presence: b[19] === 1 } };
}
