import { gearTable } from '../../src/chunking/gear.js';
import { blobId } from '../../src/crypto/blob-id.js';
import type { CryptoEngine } from '../../src/crypto/engine.js';
import { type Footer, sealFooter } from '../../src/crypto/footer.js';
import { createRepositoryKeys, exportKeys, importKeys, type RepositoryKeys } from '../../src/crypto/hierarchy.js';
import { newPackKey, sealFrameInto } from '../../src/crypto/pack-key.js';
import { type SealedKind, sealObject } from '../../src/crypto/sealed.js';
import { type Identity, type SignedKind, signPayload } from '../../src/crypto/signed.js';
import { createSlot, type NewSlot, resealSlot, rotateKeys } from '../../src/crypto/slot.js';
import { seededEngine } from './rings.js';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const SLOTS: readonly (NewSlot & { readonly role: 'append' | 'manage' | 'full' })[] = [
  { role: 'full', unlock: { password: 'Füllhorn 🔑' }, user: 'anna', host: 'desk', created: 1_700_000_001, logN: 10 },
  {
    role: 'manage',
    unlock: { password: 'correct horse' },
    user: 'ops',
    host: 'store',
    created: 1_700_000_002,
    logN: 11,
  },
  {
    role: 'append',
    unlock: { keyFile: new Uint8Array(32).fill(0x5a) },
    user: 'root',
    host: 'web',
    created: 1_700_000_003,
  },
];

function hex(bytes: Uint8Array | undefined): Json {
  return bytes === undefined ? null : Buffer.from(bytes).toString('hex');
}

function epochVector(keys: RepositoryKeys, e: number): Json {
  const { master, auth, index, metaPrivate, metaPublic, contentPrivate, contentPublic, rootSeed, rootPublic } =
    keys.epoch(e);
  return {
    epoch: e,
    master: hex(master),
    auth: hex(auth),
    index: hex(index),
    metaPrivate: hex(metaPrivate),
    metaPublic: hex(metaPublic),
    contentPrivate: hex(contentPrivate),
    contentPublic: hex(contentPublic),
    rootSeed: hex(rootSeed),
    rootPublic: hex(rootPublic),
  };
}

/**
 * One repository with fixed randomness, each object with all that goes into it: `random` lists what was drawn for it, in
 * order. Two epochs; the second revokes the append slot.
 */
export async function buildVectors(base: CryptoEngine): Promise<Json> {
  const engine = seededEngine(base, 'varve test vectors');
  const first = createRepositoryKeys(engine).withConfig(engine.sha256(new Uint8Array()));
  const slots: { json: Json; bytes: Uint8Array; identity: Identity }[] = [];
  for (const options of SLOTS) slots.push(await slotVector(engine, first, options));
  const [full, manage, append] = slots as [(typeof slots)[0], (typeof slots)[0], (typeof slots)[0]];
  const second = rotateKeys(first.withRevoked(append.identity.slot, 1_800_000_000));
  const resealed = [full, manage].map((slot) => {
    const from = engine.drawn.length;
    const bytes = resealSlot(second, slot.bytes, 'x');
    return { slot: hex(slot.identity.slot), random: engine.drawn.slice(from).map(hex), bytes: hex(bytes) };
  });
  return {
    repository: hex(first.repository),
    id: hex(first.id),
    gear: hex(first.gear),
    gearTable: [...gearTable(first.gear)].map((value) => value.toString(16).padStart(16, '0')),
    epochs: [epochVector(second, 1), epochVector(second, 2)],
    chain: second.chain.map((link) => ({
      epoch: link.epoch,
      rootPublic: hex(link.rootPublic),
      signature: hex(link.signature),
    })),
    revoked: second.revoked.map((entry) => ({ slot: hex(entry.slot), since: entry.since })),
    blobs: blobVectors(first),
    slots: slots.map((slot) => slot.json),
    resealed,
    sealed: [first, second].flatMap((keys) => sealedVectors(engine, keys)),
    signed: signedVectors(engine, second, manage.identity),
    packKeys: [first, second].flatMap((keys) => [packKeyVector(engine, keys, 1), packKeyVector(engine, keys, 2)]),
    frames: frameVectors(engine),
    footers: footerVectors(engine, second),
  };
}

async function slotVector(
  engine: ReturnType<typeof seededEngine>,
  keys: RepositoryKeys,
  options: NewSlot,
): Promise<{ json: Json; bytes: Uint8Array; identity: Identity }> {
  const from = engine.drawn.length;
  const { bytes, slotId, identity } = await createSlot(keys, options);
  const { role, user, host, created, unlock } = options;
  const json = {
    role,
    user,
    host,
    created,
    ...('password' in unlock ? { password: unlock.password } : { keyFile: hex(unlock.keyFile) }),
    random: engine.drawn.slice(from).map(hex),
    slot: hex(slotId),
    boxPrivate: hex(identity.boxPrivate),
    boxPublic: hex(identity.certificate.boxPublic),
    signSeed: hex(identity.signSeed),
    signPublic: hex(identity.certificate.signPublic),
    certificate: identity.certificateBytes.map(hex),
    bytes: hex(bytes),
  };
  return { json, bytes, identity };
}

function blobVectors(keys: RepositoryKeys): Json {
  const texts = ['', 'a', 'varve keeps layers'];
  return texts.flatMap((text) =>
    ([1, 2] as const).map((kind) => {
      const plaintext = Buffer.from(text);
      return { kind, plaintext: hex(plaintext), id: hex(blobId(keys.id, kind, plaintext)) };
    }),
  );
}

function sealedVectors(engine: ReturnType<typeof seededEngine>, keys: RepositoryKeys): Json[] {
  const kinds: readonly SealedKind[] = ['config', 'card', 'index', 'snapshot', 'lease', 'directory'];
  return kinds.map((kind) => {
    const compressed = kind === 'index';
    const plaintext = Buffer.from(`the plaintext of a sealed ${kind}`);
    const from = engine.drawn.length;
    const bytes = sealObject(keys, kind, plaintext, { compressed });
    const random = engine.drawn.slice(from).map(hex);
    return { kind, epoch: keys.newestEpoch, compressed, random, plaintext: hex(plaintext), bytes: hex(bytes) };
  });
}

function signedVectors(engine: CryptoEngine, keys: RepositoryKeys, identity: Identity): Json {
  const signing = importKeys(exportKeys(keys), engine);
  const kinds: readonly SignedKind[] = ['index', 'snapshot', 'lease'];
  return kinds.map((kind) => {
    const payload = Buffer.from(`the payload of a signed ${kind}`);
    const bytes = signPayload(signing, identity, kind, 2, payload);
    return { kind, epoch: 2, signer: hex(identity.slot), payload: hex(payload), bytes: hex(bytes) };
  });
}

function packKeyVector(engine: ReturnType<typeof seededEngine>, keys: RepositoryKeys, kind: 1 | 2): Json {
  const from = engine.drawn.length;
  const { key, wrapped } = newPackKey(keys, kind);
  return {
    kind,
    epoch: keys.newestEpoch,
    random: engine.drawn.slice(from).map(hex),
    key: hex(key),
    wrapped: hex(wrapped),
  };
}

function frameVectors(engine: CryptoEngine): Json {
  const key = new Uint8Array(32).map((_, i) => i);
  const frames = [
    { counter: 0, codec: 0, rawLength: 18, body: 'varve keeps layers' },
    { counter: 1, codec: 1, rawLength: 70_000, body: 'as if it were a zstd frame' },
    { counter: 65_535, codec: 0, rawLength: 1, body: 'x' },
  ] as const;
  return frames.map(({ counter, codec, rawLength, body }) => {
    const plain = Buffer.from(body);
    const stored = new Uint8Array(plain.length + 16);
    sealFrameInto(stored, 0, key, counter, codec, rawLength, plain, engine);
    return { key: hex(key), counter, codec, rawLength, body: hex(plain), stored: hex(stored) };
  });
}

function footerVectors(engine: ReturnType<typeof seededEngine>, keys: RepositoryKeys): Json {
  const footers: readonly Footer[] = [
    { kind: 1, directoryOffset: 16_777_216, directoryLength: 4321, parityOffset: 0, parityLength: 0 },
    { kind: 2, directoryOffset: 1000, directoryLength: 500, parityOffset: 1500, parityLength: 99 },
  ];
  return footers.map((footer) => {
    const from = engine.drawn.length;
    const bytes = sealFooter(keys, footer);
    return { ...footer, epoch: keys.newestEpoch, random: engine.drawn.slice(from).map(hex), bytes: hex(bytes) };
  });
}
