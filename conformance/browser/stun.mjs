// A second TCP connection of a transport: what Chromium opens only where it has two networks.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { crc32 } from 'node:zlib';

const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const COOKIE = 0x2112a442;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const PRIORITY = 0x0024;
const FINGERPRINT = 0x8028;
const ICE_CONTROLLING = 0x802a;

const u16 = (value) => { const bytes = Buffer.alloc(2); bytes.writeUInt16BE(value); return bytes; };
const u32 = (value) => { const bytes = Buffer.alloc(4); bytes.writeUInt32BE(value >>> 0); return bytes; };

function attribute(type, value) {
  const padding = Buffer.alloc(-value.length & 3);
  return Buffer.concat([u16(type), u16(value.length), value, padding]);
}

// RFC 8489 sections 14.5 and 14.7: the length counts the attribute that is made over what precedes it.
function check({ usernameFragment, password }) {
  const transaction = randomBytes(12);
  const header = (length) => Buffer.concat([u16(BINDING_REQUEST), u16(length), u32(COOKIE), transaction]);
  let body = Buffer.concat([
    attribute(USERNAME, Buffer.from(`${usernameFragment}:second`)),
    attribute(ICE_CONTROLLING, randomBytes(8)),
    attribute(PRIORITY, u32(0x6e7f1eff)),
  ]);
  const hmac = createHmac('sha1', password).update(header(body.length + 24)).update(body).digest();
  body = Buffer.concat([body, attribute(MESSAGE_INTEGRITY, hmac)]);
  const crc = crc32(Buffer.concat([header(body.length + 8), body])) ^ 0x5354554e;
  return Buffer.concat([header(body.length + 8), body, attribute(FINGERPRINT, u32(crc))]);
}

// Connects to a TCP candidate and proves the password; the frames are those of RFC 4571.
export async function secondConnection({ iceParameters, iceCandidates }) {
  const { address, port } = iceCandidates.find(({ protocol }) => protocol === 'tcp');
  const socket = connect(port, address);
  const request = check(iceParameters);
  socket.write(Buffer.concat([u16(request.length), request]));
  const [frame] = await once(socket, 'data');
  assert.equal(frame.readUInt16BE(2), BINDING_SUCCESS);
  return socket;
}
