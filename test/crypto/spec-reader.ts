import assert from 'node:assert/strict';
import * as crypto from 'node:crypto';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { unpack } from 'msgpackr';

/** SPEC.md sections 3 to 6 and 9, read literally, without anything of src/: it holds the code against the page. */

interface EpochVector {
  readonly [key: string]: string | number;
}
interface SlotVector {
  readonly role: string;
  readonly user: string;
  readonly host: string;
  readonly created: number;
  readonly password?: string;
  readonly keyFile?: string;
  readonly slot: string;
  readonly boxPrivate: string;
  readonly signSeed: string;
  readonly bytes: string;
}
interface SealedVector {
  readonly kind: string;
  readonly epoch: number;
  readonly compressed: boolean;
  readonly plaintext: string;
  readonly bytes: string;
}
interface SignedVector {
  readonly kind: string;
  readonly epoch: number;
  readonly signer: string;
  readonly payload: string;
  readonly bytes: string;
}
interface PackKeyVector {
  readonly kind: 1 | 2;
  readonly epoch: number;
  readonly key: string;
  readonly wrapped: string;
}
interface FrameVector {
  readonly key: string;
  readonly counter: number;
  readonly codec: number;
  readonly rawLength: number;
  readonly body: string;
  readonly stored: string;
}
interface FooterVector {
  readonly kind: number;
  readonly epoch: number;
  readonly directoryOffset: number;
  readonly directoryLength: number;
  readonly parityOffset: number;
  readonly parityLength: number;
  readonly bytes: string;
}

export interface Expected {
  readonly repository: string;
  readonly id: string;
  readonly gear: string;
  readonly gearTable: readonly string[];
  readonly epochs: readonly EpochVector[];
  readonly chain: readonly { readonly epoch: number; readonly rootPublic: string; readonly signature: string }[];
  readonly revoked: readonly { readonly slot: string; readonly since: number }[];
  readonly blobs: readonly { readonly kind: number; readonly plaintext: string; readonly id: string }[];
  readonly slots: readonly SlotVector[];
  readonly resealed: readonly { readonly slot: string; readonly bytes: string }[];
  readonly sealed: readonly SealedVector[];
  readonly signed: readonly SignedVector[];
  readonly packKeys: readonly PackKeyVector[];
  readonly frames: readonly FrameVector[];
  readonly footers: readonly FooterVector[];
}

const EMPTY = Buffer.alloc(0);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const raw = (text: string): Buffer => Buffer.from(text, 'hex');
const cat = (...parts: (Uint8Array | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
const u32 = (n: number): Buffer => Buffer.from([n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24]);
const sha256 = (bytes: Uint8Array): Buffer => crypto.createHash('sha256').update(bytes).digest();
const hmac = (key: Uint8Array, bytes: Uint8Array): Buffer => crypto.createHmac('sha256', key).update(bytes).digest();
const hkdf = (ikm: Uint8Array, salt: Uint8Array, info: string): Buffer =>
  Buffer.from(crypto.hkdfSync('sha256', ikm, salt, info, 32));

function gcmOpen(key: Uint8Array, aad: Uint8Array, sealed: Uint8Array, nonce: Uint8Array = Buffer.alloc(12)): Buffer {
  const decipher = crypto.createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16));
  return cat(decipher.update(sealed.subarray(0, -16)), decipher.final());
}

const ROLES: readonly string[] = ['', 'append', 'manage', 'full'];
const KINDS: readonly string[] = ['', 'config', 'card', 'index', 'snapshot', 'lease', 'directory'];
const MAGIC = '56525645';

type Secrets = [
  number,
  Buffer,
  Buffer,
  Buffer,
  [number, Buffer][],
  [number, Buffer, Buffer][],
  [Buffer, number][],
  Buffer[],
];
type SlotArray = [Buffer, unknown[], Buffer, Buffer, Buffer];
type CertificateArray = [Buffer, Buffer];

export class SpecReader {
  readonly #v: Expected;

  constructor(vectors: Expected) {
    this.#v = vectors;
  }

  #secret(epoch: number, name: string): Buffer {
    return raw(this.#v.epochs[epoch - 1]?.[name] as string);
  }

  /** Section 3, and the gear table and blob ids of section 8. */
  checkDerivations(): void {
    const { id, gear, repository, gearTable, blobs, epochs } = this.#v;
    const master = this.#secret(1, 'master');
    assert.equal(hex(hkdf(master, EMPTY, 'varve/1/repository')), repository);
    assert.equal(hex(hkdf(master, EMPTY, 'varve/1/id')), id);
    assert.equal(hex(hkdf(master, EMPTY, 'varve/1/gear')), gear);
    gearTable.forEach((value, i) => {
      const mac = hmac(raw(gear), cat('varve/1/gear', Buffer.from([i])));
      assert.equal(mac.readBigUInt64LE().toString(16).padStart(16, '0'), value);
    });
    for (const blob of blobs)
      assert.equal(hex(hmac(raw(id), cat(Buffer.from([blob.kind]), raw(blob.plaintext)))), blob.id);
    epochs.forEach((epoch, i) => {
      const derived = (label: string) => hkdf(this.#secret(i + 1, 'master'), EMPTY, `varve/1/${label}`);
      assert.equal(hex(derived('auth')), epoch.auth);
      assert.equal(hex(derived('index')), epoch.index);
      assert.equal(hex(derived('meta')), epoch.metaPrivate);
      assert.equal(hex(x25519.getPublicKey(derived('meta'))), epoch.metaPublic);
      assert.equal(hex(derived('content')), epoch.contentPrivate);
      assert.equal(hex(x25519.getPublicKey(derived('content'))), epoch.contentPublic);
      assert.equal(hex(derived('root')), epoch.rootSeed);
      assert.equal(hex(ed25519.getPublicKey(derived('root'))), epoch.rootPublic);
    });
  }

  /** Section 4, from the password to the card. */
  async checkSlot(expected: SlotVector): Promise<void> {
    const object = raw(expected.bytes);
    assert.equal(hex(object.subarray(0, 8)), `${MAGIC}01070000`);
    const [slot, protection, wrapped, secrets, card] = unpack(object.subarray(8)) as SlotArray;
    assert.equal(hex(slot), expected.slot);
    const key = wrappingKey(expected, protection);
    const inner = gcmOpen(key, cat('varve/1/slot', slot), wrapped);
    const [box, seed, anchor, root] = [
      inner.subarray(0, 32),
      inner.subarray(32, 64),
      inner.subarray(64, 68),
      inner.subarray(68),
    ];
    assert.equal(hex(box), expected.boxPrivate);
    assert.equal(hex(seed), expected.signSeed);
    assert.deepEqual(anchor, u32(1));
    assert.deepEqual(root, this.#secret(1, 'rootPublic'));
    const publicKeys = [ed25519.getPublicKey(seed), x25519.getPublicKey(box)] as const;
    assert.deepEqual(sha256(cat(...publicKeys)).subarray(0, 16), slot);
    this.#checkSecrets(slot, box, secrets, expected.role, 1);
    this.#checkCard(card, slot, expected, 1);
  }

  async checkResealed(expected: { readonly slot: string; readonly bytes: string }): Promise<void> {
    const old = this.#v.slots.find((one) => one.slot === expected.slot) as SlotVector;
    const [before, after] = [
      unpack(raw(old.bytes).subarray(8)),
      unpack(raw(expected.bytes).subarray(8)),
    ] as SlotArray[];
    assert.deepEqual(after?.slice(0, 3), before?.slice(0, 3));
    const [slot, , , secrets, card] = after as SlotArray;
    this.#checkSecrets(slot, raw(old.boxPrivate), secrets, old.role, 2);
    this.#checkCard(card, slot, old, 2);
  }

  #checkSecrets(slot: Buffer, box: Buffer, sealed: Buffer, role: string, newest: number): void {
    const ephemeral = sealed.subarray(0, 32);
    const salt = cat(ephemeral, x25519.getPublicKey(box));
    const key = hkdf(x25519.getSharedSecret(box, ephemeral), salt, 'varve/1/slot-secrets');
    const padded = gcmOpen(key, slot, sealed.subarray(32));
    assert.equal(padded.length % 1024, 0);
    const length = padded.readUInt32LE();
    assert.ok(padded.subarray(4 + length).every((byte) => byte === 0));
    const [payload, signature] = unpack(padded.subarray(4, 4 + length)) as [Buffer, Buffer];
    const message = cat('varve/1/slot-secrets\0', slot, payload);
    assert.ok(ed25519.verify(signature, message, this.#secret(newest, 'rootPublic')));
    const [number, repository, id, gear, epochs, chain, revoked, configs] = unpack(payload) as Secrets;
    assert.deepEqual(configs.map(hex), [hex(sha256(EMPTY))]);
    assert.equal(ROLES[number], role);
    assert.deepEqual([repository, id, gear].map(hex), [this.#v.repository, this.#v.id, this.#v.gear]);
    assert.deepEqual(
      epochs.map(([e]) => e),
      [1, 2].slice(0, newest),
    );
    for (const [e, material] of epochs) assert.equal(hex(material), hex(this.#material(role, e)));
    assert.equal(chain.length, newest - 1);
    for (const [e, root, link] of chain) {
      assert.deepEqual(root, this.#secret(e, 'rootPublic'));
      const signed = cat('varve/1/root-chain\0', repository, u32(e), root);
      assert.ok(ed25519.verify(link, signed, this.#secret(e - 1, 'rootPublic')));
    }
    const expected = newest === 1 ? [] : this.#v.revoked.map((entry) => [entry.slot, entry.since]);
    assert.deepEqual(
      revoked.map(([id, since]) => [hex(id), since]),
      expected,
    );
  }

  #material(role: string, e: number): Buffer {
    if (role === 'full') return this.#secret(e, 'master');
    const meta = role === 'manage' ? 'metaPrivate' : 'metaPublic';
    return cat(...['auth', 'index', meta, 'contentPublic', 'rootPublic'].map((name) => this.#secret(e, name)));
  }

  #checkCard(card: Buffer, slot: Buffer, expected: SlotVector, epoch: number): void {
    const opened = this.#open('card', card);
    assert.equal(opened.epoch, epoch);
    const [certificate, user, host, created] = unpack(opened.plaintext) as [CertificateArray, string, string, number];
    assert.deepEqual([user, host, created], [expected.user, expected.host, expected.created]);
    const { role, label } = this.#certificate(certificate, slot);
    assert.deepEqual([role, label], [expected.role, `${user}@${host}`]);
  }

  #certificate([payload, signature]: CertificateArray, slot: Buffer): { role: string; label: string; sign: Buffer } {
    const [id, role, sign, box, epoch, label] = unpack(payload) as [Buffer, number, Buffer, Buffer, number, string];
    const message = cat('varve/1/certificate\0', raw(this.#v.repository), payload);
    assert.ok(ed25519.verify(signature, message, this.#secret(epoch, 'rootPublic')));
    assert.deepEqual(id, slot);
    assert.deepEqual(sha256(cat(sign, box)).subarray(0, 16), slot);
    return { role: ROLES[role] as string, label, sign };
  }

  /** Section 5. */
  #open(kind: string, object: Buffer): { epoch: number; flags: number; plaintext: Buffer } {
    const header = object.subarray(0, 44);
    assert.equal(hex(header.subarray(0, 5)), `${MAGIC}01`);
    assert.equal(KINDS[header[5] as number], kind);
    assert.equal(header[7], 0);
    const epoch = header.readUInt32LE(8);
    const salt = header.subarray(12);
    let key = hkdf(this.#secret(epoch, 'index'), salt, `varve/1/sealed/${kind}`);
    if (kind === 'snapshot') {
      const shared = x25519.getSharedSecret(this.#secret(epoch, 'metaPrivate'), salt);
      const metaPublic = this.#secret(epoch, 'metaPublic');
      key = hkdf(cat(shared, this.#secret(epoch, 'auth')), cat(salt, metaPublic), 'varve/1/sealed/snapshot');
    }
    return { epoch, flags: header[6] as number, plaintext: gcmOpen(key, header, object.subarray(44)) };
  }

  checkSealed(expected: SealedVector): void {
    const { epoch, flags, plaintext } = this.#open(expected.kind, raw(expected.bytes));
    assert.deepEqual([epoch, flags === 1, hex(plaintext)], [expected.epoch, expected.compressed, expected.plaintext]);
  }

  /** Section 6. */
  checkSigned(expected: SignedVector): void {
    const [certificate, signature, payload] = unpack(raw(expected.bytes)) as [CertificateArray, Buffer, Buffer];
    const { sign } = this.#certificate(certificate, raw(expected.signer));
    const head = cat(`varve/1/sign/${expected.kind}\0`, raw(this.#v.repository), u32(expected.epoch));
    assert.ok(ed25519.verify(signature, cat(head, sha256(payload)), sign));
    assert.equal(hex(payload), expected.payload);
  }

  /** Section 9. */
  checkPackKey(expected: PackKeyVector): void {
    const wrapped = raw(expected.wrapped);
    assert.equal(wrapped.length, 84);
    const epoch = wrapped.readUInt32LE();
    assert.equal(epoch, expected.epoch);
    const [name, info] = expected.kind === 1 ? ['content', 'varve/1/pack/data'] : ['meta', 'varve/1/pack/tree'];
    const ephemeral = wrapped.subarray(4, 36);
    const shared = x25519.getSharedSecret(this.#secret(epoch, `${name}Private`), ephemeral);
    const salt = cat(ephemeral, this.#secret(epoch, `${name}Public`));
    const key = hkdf(cat(shared, this.#secret(epoch, 'auth')), salt, info);
    assert.equal(hex(gcmOpen(key, wrapped.subarray(0, 36), wrapped.subarray(36))), expected.key);
  }

  checkFrame(expected: FrameVector): void {
    const nonce = cat(Buffer.alloc(8), u32(expected.counter));
    const aad = cat(Buffer.from([expected.codec]), u32(expected.rawLength));
    assert.equal(hex(gcmOpen(raw(expected.key), aad, raw(expected.stored), nonce)), expected.body);
  }

  checkFooter(expected: FooterVector): void {
    const footer = raw(expected.bytes);
    assert.equal(footer.length, 92);
    assert.equal(hex(footer.subarray(0, 8)), '5652565001000000');
    const epoch = footer.readUInt32LE(8);
    assert.equal(epoch, expected.epoch);
    const key = hkdf(this.#secret(epoch, 'index'), footer.subarray(12, 44), 'varve/1/footer');
    const body = gcmOpen(key, footer.subarray(0, 44), footer.subarray(44));
    assert.equal(Number(body.readBigUInt64LE(0)), expected.directoryOffset);
    assert.equal(body.readUInt32LE(8), expected.directoryLength);
    assert.equal(body.readUInt32LE(12), expected.kind);
    assert.equal(Number(body.readBigUInt64LE(16)), expected.parityOffset);
    assert.equal(Number(body.readBigUInt64LE(24)), expected.parityLength);
  }
}

function wrappingKey(expected: SlotVector, protection: readonly unknown[]): Uint8Array {
  if (protection[0] === 'keyfile')
    return hkdf(raw(expected.keyFile as string), protection[1] as Buffer, 'varve/1/keyfile');
  assert.equal(protection[0], 'scrypt');
  const [, log2N, r, p, salt] = protection as [string, number, number, number, Buffer];
  const password = Buffer.from((expected.password as string).normalize('NFC'));
  return crypto.scryptSync(password, salt, 32, { N: 2 ** log2N, r, p, maxmem: 2 ** 28 });
}
