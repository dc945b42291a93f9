// The work of one message in both Node peers: consent, presence by level, and a decision by the model when a person enters or has dwelled.
// It keeps everything in memory, and has no store, no privacy, no caps across gateways, no explanation and no learning.
'use strict';

const LAST_SAMPLES = 5, SWEEP_MS = 30;

module.exports = (site, score, send) => {
  const people = new Map(), owners = new Map(), present = new Map();
  const counts = {messages: 0, decisions: 0, offers: 0};

  const consented = (device, body) => {
    const person = people.get(device) || {device, visits: 0, offers: 0, offered: 0, zones: new Map()};
    person.purposes = new Set(body.purposes);
    people.set(device, person);
    for (const tag of [device, ...(body.tags || [])]) owners.set(tag, person);
  };

  const heard = (person, zone, anchor, rssi, now) => {
    let here = person.zones.get(zone);
    if (!here) person.zones.set(zone, here = {person, zone, powers: [], level: 0, seen: now, entered: 0, dwelled: false});
    here.powers.push(10 ** ((rssi + (site.offsets[anchor] || 0)) / 10));
    if (here.powers.length > LAST_SAMPLES) here.powers.shift();
    let total = 0;
    for (const power of here.powers) total += power;
    here.level = 10 * Math.log10(total / here.powers.length);
    if (rssi >= site.exit) here.seen = now;
    if (here.entered || here.powers.length < site.samples || here.level < site.enter) return;
    for (const other of person.zones.values())
      if (other !== here && now - other.seen < site.silence && here.level - other.level < site.margin) return;
    for (const other of [...person.zones.values()]) if (other !== here) leave(other);
    here.entered = now;
    person.visits++;
    present.set(here, person);
    decide(person, here, 'entered', now);
  };

  const leave = here => { here.person.zones.delete(here.zone); present.delete(here); };

  const decide = async (person, here, occasion, now) => {
    counts.decisions++;
    if (!person.purposes.has('offers') || now - person.offered < site.gap || person.offers >= site.most) return;
    person.offered = now;
    const best = await choose(person, here.zone, occasion, now);
    if (!best) return;
    person.offers++;
    counts.offers++;
    send(`${site.down}/${person.device}`, JSON.stringify({v: 1, offer: best.id, zone: here.zone, expires_at_ms: now + 60000}));
  };

  const choose = async (person, zone, occasion, now) => {
    const open = site.offers.filter(offer => offer.zones.includes(zone));
    if (!open.length) return null;
    const rows = new Float32Array(open.length * site.width), clock = new Date(now);
    open.forEach((offer, at) => {
      rows.set(offer.row, at * site.width);
      rows.set([clock.getHours(), person.visits, person.offers, occasion === 'entered' ? 1 : 0], at * site.width);
    });
    const chances = await score(rows, open.length);
    let best = 0;
    for (let at = 1; at < open.length; at++) if (chances[at] > chances[best]) best = at;
    return open[best];
  };

  const answer = async (person, body, now) => {
    const best = await choose(person, body.zone, 'requested', now);
    send(`${site.reply}/${person.device}/offer`, JSON.stringify({v: 1, offer: best && best.id, zone: body.zone}));
  };

  setInterval(() => {
    const now = Date.now();
    for (const [here, person] of present) {
      if (now - here.seen > site.silence) leave(here);
      else if (!here.dwelled && now - here.entered > site.dwell) { here.dwelled = true; decide(person, here, 'dwelled', now); }
    }
    console.log(JSON.stringify(counts));
  }, SWEEP_MS);

  return (topic, body) => {
    counts.messages++;
    const levels = topic.split('/'), now = Date.now();
    if (levels[0] === 'espresense') {
      const zone = site.anchors[levels[3]], person = owners.get(levels[2]);
      if (zone && person) heard(person, zone, levels[3], body.rssi, now);
    } else if (levels[5] === 'sighting') {
      const person = people.get(levels[4]);
      if (person) for (const one of body.heard) if (site.anchors[one.id]) heard(person, site.anchors[one.id], one.id, one.rssi, now);
    } else if (levels[5] === 'consent') consented(levels[4], body);
    else if (levels[5] === 'request' && people.has(levels[4])) answer(people.get(levels[4]), body, now);
  };
};
