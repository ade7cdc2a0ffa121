import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  type BigIntStats,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { libc, withoutLibc } from '../../src/filesystem/libc.js';
import { AT_FDCWD, openDirectoryAt, utimensat } from '../../src/filesystem/posix.js';
import { type FileStat, fstat, lstat, makeDevice } from '../../src/filesystem/stat.js';
import { scratchDirectory } from './scratch.js';

function agrees(stat: FileStat, node: BigIntStats, path: string): void {
  const type = node.isFile()
    ? 'file'
    : node.isDirectory()
      ? 'directory'
      : node.isSymbolicLink()
        ? 'symlink'
        : node.isFIFO()
          ? 'fifo'
          : node.isSocket()
            ? 'socket'
            : node.isCharacterDevice()
              ? 'character'
              : 'block';
  const expected = {
    type,
    mode: node.mode & 0o7777n,
    uid: node.uid,
    gid: node.gid,
    size: node.size,
    inode: node.ino,
    device: node.dev,
    links: node.nlink,
    rdev: node.rdev,
    blocks: node.blocks,
    mtime: node.mtimeNs,
    ctime: node.ctimeNs,
  };
  const exact = (seconds: number | bigint, nanoseconds: number) =>
    BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  const found = {
    type: stat.type,
    mode: BigInt(stat.mode),
    uid: BigInt(stat.uid),
    gid: BigInt(stat.gid),
    size: BigInt(stat.size),
    inode: BigInt(stat.inode),
    device: BigInt(stat.device),
    links: BigInt(stat.links),
    rdev: BigInt(makeDevice(stat.rdevMajor, stat.rdevMinor)),
    blocks: BigInt(stat.blocks),
    mtime: exact(stat.mtimeSeconds, stat.mtimeNanoseconds),
    ctime: exact(stat.ctimeSeconds, stat.ctimeNanoseconds),
  };
  assert.deepEqual(found, expected, path);
  assert.ok(stat.mtimeNanoseconds >= 0 && stat.mtimeNanoseconds < 1e9);
}

/** Every so many entries below some directories that any machine has. */
function sample(): string[] {
  const paths = ['/', '/dev/null', '/dev/zero', '/proc/self/exe', '/usr', '/tmp'];
  for (const directory of ['/usr/bin', '/usr/lib', '/etc', '/dev'])
    for (const name of readdirSync(directory)) paths.push(join(directory, name));
  return paths;
}

describe('lstat', () => {
  const base = scratchDirectory();

  const special = async () => {
    for (const name of ['file', 'déjà']) writeFileSync(join(base, name), 'x'.repeat(5000), { mode: 0o640 });
    mkdirSync(join(base, 'directory'), { mode: 0o1777 });
    symlinkSync('nowhere', join(base, 'link'));
    execFileSync('mkfifo', [join(base, 'fifo')]);
    if (process.getuid?.() === 0) execFileSync('mknod', [join(base, 'node'), 'c', '4095', '1048575']);
    utimensat(AT_FDCWD, Buffer.from(join(base, 'link')), undefined, { seconds: -1, nanoseconds: 1 });
    utimensat(AT_FDCWD, Buffer.from(join(base, 'file')), undefined, {
      seconds: -6e9 % 2 ** 31,
      nanoseconds: 999_999_999,
    });
    utimensat(AT_FDCWD, Buffer.from(join(base, 'directory')), undefined, {
      seconds: 2 ** 33,
      nanoseconds: 123_456_789,
    });
    const times = [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 53n) - 1n, -(2n ** 63n)];
    for (const [number, seconds] of times.entries()) {
      writeFileSync(join(base, `time ${number}`), '');
      utimensat(AT_FDCWD, Buffer.from(join(base, `time ${number}`)), undefined, { seconds, nanoseconds: 999_999_999 });
    }
    const server = createServer().listen(join(base, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    return server;
  };

  const check = () => {
    for (const name of readdirSync(base))
      agrees(lstat(Buffer.from(join(base, name))), lstatSync(join(base, name), { bigint: true }), name);
    for (const path of sample()) agrees(lstat(Buffer.from(path)), lstatSync(path, { bigint: true }), path);
    const file = openSync(join(base, 'file'), 'r');
    agrees(fstat(file), fstatSync(file, { bigint: true }), 'fstat');
    closeSync(file);
    const directory = openDirectoryAt(AT_FDCWD, Buffer.from(base));
    agrees(lstat(Buffer.from('déjà'), directory), lstatSync(join(base, 'déjà'), { bigint: true }), 'in a directory');
    assert.throws(() => lstat(Buffer.from('no'), directory), { code: 'ENOENT' });
    closeSync(directory);
    assert.throws(() => lstat(Buffer.from(join(base, 'no'))), {
      code: 'ENOENT',
      errno: -2,
      syscall: 'lstat',
      path: join(base, 'no'),
    });
    assert.throws(() => lstat(Buffer.from(join(base, 'file', 'x'))), { code: 'ENOTDIR' });
    assert.throws(() => lstat(Buffer.from(`/${'x'.repeat(300)}`)), { code: 'ENAMETOOLONG' });
    assert.throws(() => lstat(Buffer.from(`/${'x/'.repeat(5000)}`)), { code: 'ENAMETOOLONG' });
    assert.throws(() => fstat(9999), { code: 'EBADF', syscall: 'fstat' });
  };

  it('agrees with fs for every type of file', async () => {
    const server = await special();
    check();
    server.close();
  });

  it('keeps all 64 bits of a time', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can mount');
    const disk = join(base, 'tmpfs');
    mkdirSync(disk);
    if (spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', disk]).status !== 0) return t.skip('no tmpfs can be mounted');
    t.after(() => void spawnSync('umount', ['-l', disk]));
    const path = Buffer.from(join(disk, 'file'));
    writeFileSync(path, '');
    // The kernel rounds the very first and last moment.
    for (const seconds of [2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 2n, -(2n ** 53n), 1n - 2n ** 63n]) {
      utimensat(AT_FDCWD, path, { seconds, nanoseconds: 1 }, { seconds, nanoseconds: 999_999_999 });
      const stat = lstat(path);
      assert.deepEqual([stat.mtimeSeconds, stat.mtimeNanoseconds, stat.atime], [seconds, 999_999_999, [seconds, 1]]);
    }
  });

  it('composes device numbers of 64 bits as libc does', () => {
    assert.equal(makeDevice(0xfff, 0xfffff), 0xffffffff);
    assert.equal(makeDevice(0xffff_ffff, 0xffff_ffff), 2n ** 64n - 1n);
    assert.equal(makeDevice(0x1000, 0), 2 ** 44);
  });

  it('has names that are not UTF-8', () => {
    const name = Buffer.from([0x61, 0xff, 0xc3]);
    const path = Buffer.concat([Buffer.from(`${base}/directory/`), name]);
    writeFileSync(path, '12345');
    assert.equal(lstat(path).size, 5);
    assert.throws(() => lstat(Buffer.from(`${base}/file\0x`)), /NUL|null|EINVAL/);
  });

  it('works in many worker threads', async () => {
    const module = new URL('../../src/filesystem/stat.js', import.meta.url).href;
    const script = `import(${JSON.stringify(module)}).then(({ lstat }) => {
      let size = 0;
      for (let i = 0; i < 2000; i++) size += lstat(Buffer.from(${JSON.stringify(join(base, 'file'))})).size;
      require('node:worker_threads').parentPort.postMessage(size);
    })`;
    const run = () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(script, { eval: true });
        let answer: unknown;
        worker.on('message', (message) => {
          answer = message;
        });
        worker
          .on('error', reject)
          .on('exit', (code) => (code === 0 ? resolve(answer) : reject(new Error(`exit ${code}`))));
      });
    for (let round = 0; round < 3; round++)
      assert.deepEqual(await Promise.all([run(), run(), run(), run()]), Array(4).fill(5000 * 2000));
  });

  it('tells the same without koffi', { skip: libc() === undefined ? 'koffi is not there' : false }, () => {
    withoutLibc('for a test');
    check();
  });
});
