import fc from 'fast-check';

/** Where something is done: a path, of bytes as characters; or a number, for any of the paths that are there. */
export type Place = string | number;

/** One thing that is done to a tree. Paths are made of few names, so that they meet. */
export type Step =
  | { readonly do: 'file'; readonly path: string; readonly size: number; readonly seed: number }
  | { readonly do: 'sparse'; readonly path: string; readonly size: number; readonly pieces: readonly Piece[] }
  | { readonly do: 'folder'; readonly path: string }
  | { readonly do: 'remove'; readonly path: Place }
  | { readonly do: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly do: 'special';
      readonly path: string;
      /** S_IF bits. */
      readonly type: number;
      readonly major: number;
      readonly minor: number;
    }
  | { readonly do: 'link' | 'rename'; readonly path: Place; readonly to: string }
  | { readonly do: 'grow'; readonly path: Place; readonly by: number }
  | { readonly do: 'disguise'; readonly path: Place; readonly seed: number }
  | { readonly do: 'mode'; readonly path: Place; readonly mode: number }
  | { readonly do: 'owner'; readonly path: Place; readonly uid: number; readonly gid: number }
  | { readonly do: 'time'; readonly path: Place; readonly seconds: number; readonly nanoseconds: number }
  | { readonly do: 'xattr'; readonly path: Place; readonly name: string; readonly value: Uint8Array | undefined }
  | ({ readonly do: 'acl'; readonly path: Place } & Acl);

/** Data in a sparse file. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
}

export interface Acl {
  readonly kind: 'access' | 'default';
  readonly user: number;
  readonly group: number;
  /** Three bits for the user, three above them for the group. */
  readonly permissions: number;
}

const plain = fc.constantFrom('a', 'b', 'c', 'B', 'a.txt', 'b.txt', '\xc3\xa4', 'x y');
const odd = fc.constantFrom(
  '\xff\xfe',
  'new\nline',
  'n'.repeat(255),
  '-rf',
  '\x01\x7f',
  '\\',
  '.varve-',
  '.varve-tmp-999999999-0123456789ab-0-0',
  '.varve-part-0123456789abcdef0123456789abcdef-999999999-0123456789ab',
  '*?[',
);
const name = fc.oneof({ weight: 5, arbitrary: plain }, { weight: 1, arbitrary: odd });
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
/** Mostly something that is there. */
const place = fc.oneof({ weight: 1, arbitrary: path }, { weight: 4, arbitrary: fc.nat(10_000) });
const record = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model) as fc.Arbitrary<T>;

/** Around what chunks, frames and blocks are made of. */
const size = fc.oneof(
  fc.nat(100),
  fc.nat(400_000),
  fc.constantFrom(0, 1, 4095, 4096, 4097, 65_536, 262_144, 1_048_576, 2_097_152, 2_097_153),
);

const BIG = 6_000_000;
const pieces: fc.Arbitrary<Piece[]> = fc.oneof(
  fc.array(record<Piece>({ offset: fc.nat(BIG), length: fc.integer({ min: 1, max: 100_000 }) }), { maxLength: 6 }),
  // Many small holes, at the borders of blocks or not.
  record<{ every: number; length: number; count: number }>({
    every: fc.constantFrom(8192, 12_288, 20_000),
    length: fc.constantFrom(1, 4096, 5000),
    count: fc.nat(150),
  }).map(({ every, length, count }) => Array.from({ length: count }, (_, i) => ({ offset: i * every, length }))),
);

const mode = fc.constantFrom(0o644, 0o600, 0o400, 0o755, 0o777, 0o4700, 0o2755, 0o6711, 0o1644);
const uid = fc.constantFrom(0, 1, 1000, 65_534, 12_345, 4_000_000_000);
const ownGroup = process.getgid?.() ?? 0;

const FIFO = 0o010000;
const CHARACTER = 0o020000;
const BLOCK = 0o060000;
const SOCKET = 0o140000;

/** What the kernel has for cap_net_raw, cap_chown and cap_setuid, permitted and effective. */
const capability = fc.constantFrom(0x2000, 0x1, 0x80).map((bits) => {
  const value = Buffer.alloc(20);
  value.writeUInt32LE(0x0200_0001);
  value.writeUInt32LE(bits, 4);
  return value;
});
const value = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(0, 900, 1024, 1025, 2500).map((length) => new Uint8Array(length).fill(length & 255)),
);
const attribute = fc.oneof(
  {
    weight: 6,
    arbitrary: record<{ name: string; value: Uint8Array | undefined }>({
      name: fc.constantFrom('user.a', 'user.b', 'user.\xff', `user.${'n'.repeat(250)}`, 'trusted.a', 'security.test'),
      value: fc.option(value, { nil: undefined, freq: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: record<{ name: string; value: Uint8Array }>({
      name: fc.constant('security.capability'),
      value: capability,
    }),
  },
);

const made: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: record<Step>({ do: fc.constant('file'), path, size, seed: fc.nat(3) }) },
  { weight: 2, arbitrary: record<Step>({ do: fc.constant('sparse'), path, size: fc.nat(BIG), pieces }) },
  { weight: 2, arbitrary: record<Step>({ do: fc.constant('folder'), path }) },
  {
    weight: 2,
    arbitrary: record<Step>({
      do: fc.constant('symlink'),
      path,
      target: fc.oneof(path, fc.constantFrom('\xff\n', 'x'.repeat(4000))),
    }),
  },
  {
    weight: 1,
    arbitrary: record<Step>({
      do: fc.constant('special'),
      path,
      type: fc.constantFrom(FIFO, SOCKET, CHARACTER, BLOCK),
      major: fc.constantFrom(0, 1, 259, 4095),
      minor: fc.constantFrom(0, 3, 255, 256, 70_000, 1_048_575),
    }),
  },
);

const moved: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: record<Step>({ do: fc.constant('remove'), path: place }) },
  { weight: 2, arbitrary: record<Step>({ do: fc.constantFrom('link', 'rename'), path: place, to: path }) },
);

const described: fc.Arbitrary<Step> = fc.oneof(
  record<Step>({ do: fc.constant('mode'), path: place, mode }),
  record<Step>({ do: fc.constant('owner'), path: place, uid, gid: fc.oneof(uid, fc.constant(ownGroup)) }),
  record<Step>({
    do: fc.constant('time'),
    path: place,
    seconds: fc.oneof(fc.integer({ min: -1e9, max: 2e9 }), fc.constantFrom(-1, 0, 2 ** 31, 15_000_000_000)),
    nanoseconds: fc.nat(999_999_999),
  }),
  fc.tuple(place, attribute).map(([path, each]): Step => ({ do: 'xattr', path, ...each })),
  record<Step>({
    do: fc.constant('acl'),
    path: place,
    kind: fc.constantFrom('access', 'default'),
    user: uid,
    group: uid,
    permissions: fc.nat(63),
  }),
  record<Step>({ do: fc.constant('grow'), path: place, by: fc.constantFrom(1, 4096, 300_000) }),
  record<Step>({ do: fc.constant('disguise'), path: place, seed: fc.nat(3) }),
);

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 13, arbitrary: made },
  { weight: 4, arbitrary: moved },
  { weight: 8, arbitrary: described },
);
