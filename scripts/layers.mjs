// The directories of src/: what each is for, and what it may import. What is not listed here is refused (check-layers.mjs).

const BASE = ['errors', 'bytes', 'time'];
const ENGINES = ['crypto', 'chunking', 'compression', 'parity'];
const STORES = ['storage', 'storage/local', 'storage/memory', 'storage/cached', 'storage/transport'];
const CORE = [...BASE, ...ENGINES, 'format', ...STORES, 'workers', 'repository/**', 'filesystem'];
/** What each directory of repository/ may import besides those of its own kind. */
const BELOW_REPOSITORY = [...BASE, ...ENGINES, 'format', ...STORES, 'workers', 'repository'];
const repositoryRow = (...rooms) => ({
  imports: [...BELOW_REPOSITORY, ...rooms.map((room) => `repository/${room}`)],
  packages: ['p-limit'],
});
const OPERATIONS = [
  'backup',
  'restore',
  'browse',
  'retention',
  'prune',
  'check',
  'copy',
  'repair',
  'mount',
  'mount/view',
];
const PROVIDER = [...BASE, 'storage', 'storage/transport'];

/**
 * The rows go from the bottom up. The most specific row of a path counts; a row may also be a file.
 *
 * - `imports`: directories, without what is below them unless the name ends with `/**`; a directory may always import itself
 * - `packages`: of others; packages of Node are free, unless `pure` is set: then only node:buffer
 * - `process`: what the directory touches of the process that it runs in (`env`, `flags`); otherwise only cli/ may
 */
export const LAYERS = {
  errors: { what: 'the one error class: codes, exit codes, the form that crosses threads', imports: [] },
  bytes: { what: 'hexadecimal, views, MessagePack', imports: ['errors'], packages: ['msgpackr/pack'], pure: true },
  time: {
    what: 'points in time, durations, and the calendar in the zone that TZ names',
    imports: ['errors', 'bytes'],
    packages: ['koffi'],
    process: ['env'],
  },
  crypto: {
    what: 'key hierarchy, key slots, sealed and signed objects, pack keys, over an engine of primitives',
    imports: ['errors', 'bytes'],
  },
  chunking: {
    what: 'FastCDC: the loader of `wasm/fastcdc.ts`, and its parameters',
    imports: ['errors', 'bytes'],
  },
  compression: {
    what: 'zstd, and deciding what does not compress',
    imports: ['errors', 'bytes'],
    packages: ['@cloudpss/zstd/wasm'],
  },
  parity: {
    what: 'Reed–Solomon codes: the loader of `wasm/reed-solomon.ts`, the parity section of a pack, healing by it',
    imports: ['errors', 'bytes'],
  },
  format: {
    what: 'SPEC.md in code: pure encoders and decoders, no input or output, no clock',
    imports: BASE,
    pure: true,
  },
  storage: {
    what: 'the contract of an object store, and the stores: [their directories](#stores)',
    imports: [...BASE, 'storage/local'],
  },
  'storage/open-store.ts': { imports: [...BASE, 'storage/**'] },
  'storage/transport': {
    imports: [...BASE, 'storage'],
    packages: ['http-proxy-agent', 'https-proxy-agent', 'proxy-from-env'],
  },
  'storage/local': { imports: [...BASE, 'storage'] },
  'storage/memory': { imports: [...BASE, 'storage'] },
  'storage/cached': { imports: [...BASE, 'storage', 'storage/local'] },
  'storage/guards': { imports: PROVIDER, packages: ['p-limit'] },
  'storage/s3': { imports: PROVIDER, packages: ['@aws-sdk/client-s3'] },
  'storage/sftp': { imports: PROVIDER },
  'storage/rest': { imports: PROVIDER },
  'storage/rclone': { imports: [...PROVIDER, 'storage/rest'] },
  'storage/conformance': { imports: [...BASE, 'storage'], packages: ['p-limit'] },
  workers: {
    what: 'a pool of worker threads, buffers they share, synchronous calls to the main thread',
    imports: [...BASE, 'crypto', 'chunking', 'compression'],
    process: ['flags'],
  },
  repository: {
    what: 'open and init, packs, index, snapshots, leases, key slots: [its directories](#a-repository)',
    imports: BELOW_REPOSITORY,
    packages: ['p-limit'],
  },
  'repository/keys': repositoryRow(),
  'repository/opening': repositoryRow('keys'),
  'repository/leases': repositoryRow(),
  'repository/packs': repositoryRow(),
  'repository/snapshots': repositoryRow(),
  'repository/index': repositoryRow('leases', 'packs'),
  'repository/reading': repositoryRow('packs', 'index'),
  'repository/writing': repositoryRow('leases', 'packs', 'snapshots', 'index', 'reading'),
  'repository/rewriting': repositoryRow('leases', 'snapshots', 'index', 'reading', 'writing'),
  filesystem: {
    what: 'patterns and filters, lstat, the calls of libc that Node lacks',
    imports: [...BASE, 'format'],
    packages: ['koffi'],
  },
  backup: { what: 'making a snapshot', imports: CORE },
  restore: { what: 'bringing files back', imports: CORE, packages: ['p-limit'] },
  browse: { what: 'reading snapshots: ls, find, diff, dump, stats', imports: CORE, packages: ['yazl'] },
  retention: {
    what: 'which snapshots a policy keeps and why, by local time; forgetting and tagging them',
    imports: CORE,
    packages: ['p-limit'],
  },
  prune: { what: 'removing what no snapshot needs, in two phases', imports: CORE },
  check: { what: 'checking that a repository is sound, with and without its keys', imports: CORE },
  copy: { what: 'snapshots made from snapshots: in another repository, or with entries left out', imports: CORE },
  repair: { what: 'mending what can be mended, and what is left where it cannot', imports: CORE },
  mount: { what: 'snapshots as a file system: [its directories](#a-mount)', imports: [...CORE, 'mount/**'] },
  'mount/protocol': { imports: CORE, packages: ['koffi'], process: ['env'] },
  'mount/filesystem': { imports: [...CORE, 'mount/protocol', 'mount/view'] },
  'mount/view': { imports: CORE },
  library: { what: 'the front door for programs: a repository as one object', imports: [...CORE, ...OPERATIONS] },
  serve: {
    what: 'a server of restic’s REST protocol over a local directory: logins, quotas, uploads that are verified, metrics, log',
    imports: [...BASE, 'storage', 'storage/local'],
    packages: ['p-limit', 'bcryptjs'],
  },
  cli: {
    what: 'arguments, output, exit codes; the only place that touches the terminal',
    imports: [...CORE, ...OPERATIONS, 'library', 'serve', 'storage/conformance', 'cli/**'],
    packages: ['commander'],
    process: ['env', 'flags', 'signals', 'exit'],
  },
  'index.ts': {
    what: 'all that the library exports',
    imports: [...CORE, ...OPERATIONS, 'library', 'serve', 'storage/conformance'],
  },
};
