import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemReason } from '../../src/errors/errors.js';
import { libc, withoutLibc } from '../../src/filesystem/libc.js';
import * as posix from '../../src/filesystem/posix.js';
import { makeDevice } from '../../src/filesystem/stat.js';
import { scratchDirectory } from './scratch.js';

const { AT_FDCWD } = posix;
const root = process.getuid?.() === 0;
const bytes = (text: string) => Buffer.from(text);
const mtimeOf = (path: string | Buffer) => lstatSync(path, { bigint: true }).mtimeNs;

/** What must hold with libc and without; `unit` is what a time is exact to, in nanoseconds. */
function callsWork(base: string, unit: bigint): void {
  const directory = posix.openDirectoryAt(AT_FDCWD, bytes(base));
  const odd = Buffer.from([0x6e, 0xff, 0xfe]);
  const at = (name: string) => join(base, name);

  posix.mkdirat(directory, bytes('sub'), 0o700);
  assert.equal(statSync(at('sub')).mode & 0o777, 0o700);
  assert.throws(() => posix.mkdirat(directory, bytes('sub'), 0o700), { code: 'EEXIST', errno: -17 });
  const sub = posix.openDirectoryAt(directory, bytes('sub'));

  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const file = posix.openat(sub, odd, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  writeSync(file, 'content');
  posix.futimens(file, undefined, { seconds: -2, nanoseconds: 250_000_001 });
  assert.equal(fstatSync(file, { bigint: true }).mtimeNs / unit, (-2_000_000_000n + 250_000_001n) / unit);
  posix.dropFromPageCache(file);
  closeSync(file);
  assert.throws(() => posix.openat(sub, odd, O_WRONLY | O_CREAT | O_EXCL), { code: 'EEXIST' });

  posix.linkat(sub, odd, directory, bytes('hard'));
  assert.equal(readFileSync(at('hard'), 'utf8'), 'content');
  posix.renameat(directory, bytes('hard'), sub, bytes('renamed'));
  assert.equal(statSync(at('sub/renamed')).nlink, 2);
  posix.fchmodat(sub, bytes('renamed'), 0o4751);
  assert.equal(statSync(at('sub/renamed')).mode & 0o7777, 0o4751);

  posix.symlinkat(bytes('sub'), directory, bytes('link'));
  assert.equal(readlinkSync(at('link')), 'sub');
  assert.deepEqual(posix.readlinkat(directory, bytes('link')), bytes('sub'));
  assert.throws(
    () => posix.openDirectoryAt(directory, bytes('link')),
    (error: NodeJS.ErrnoException) => /ELOOP|ENOTDIR/.test(error.code ?? ''),
  );
  assert.throws(() => posix.fchmodat(directory, bytes('link'), 0o777));
  assert.equal(statSync(at('sub')).mode & 0o777, 0o700, 'nothing went through the link');

  const before = mtimeOf(at('sub'));
  posix.utimensat(
    directory,
    bytes('link'),
    { seconds: -1, nanoseconds: 0 },
    { seconds: -1_500_000_001, nanoseconds: 999_999_999 },
  );
  assert.equal(mtimeOf(at('link')) / unit, (-1_500_000_001_000_000_000n + 999_999_999n) / unit);
  assert.equal(mtimeOf(at('sub')), before);
  posix.utimensat(
    directory,
    bytes('link'),
    undefined,
    { seconds: 1_700_000_000, nanoseconds: 123_456_789 },
    { follow: true },
  );
  assert.equal(mtimeOf(at('sub')) / unit, 1_700_000_000_123_456_789n / unit);
  posix.utimensat(directory, bytes('sub'), { seconds: 5, nanoseconds: 0 }, undefined);
  assert.equal(mtimeOf(at('sub')) / unit, 1_700_000_000_123_456_789n / unit);
  assert.equal(statSync(at('sub')).atimeMs, 5000);

  posix.fchownat(directory, bytes('link'), process.getuid?.() ?? -1, process.getgid?.() ?? -1);
  if (root) {
    posix.fchownat(directory, bytes('link'), 4_000_000_000, 12);
    assert.deepEqual(
      [lstatSync(at('link')).uid, lstatSync(at('link')).gid, statSync(at('sub')).uid],
      [4_000_000_000, 12, 0],
    );
  } else {
    assert.throws(() => posix.fchownat(directory, bytes('link'), 0, 0), { code: 'EPERM' });
  }

  assert.throws(() => posix.rmdirat(directory, bytes('sub')), { code: 'ENOTEMPTY' });
  posix.unlinkat(sub, odd);
  posix.unlinkat(sub, bytes('renamed'));
  posix.unlinkat(directory, bytes('link'));
  assert.equal(existsSync(at('sub')), true);
  closeSync(sub);
  posix.rmdirat(directory, bytes('sub'));
  assert.equal(existsSync(at('sub')), false);
  closeSync(directory);
}

describe('calls relative to a directory', { skip: libc() === undefined ? 'koffi is not there' : false }, () => {
  const base = scratchDirectory();

  it('do what fs does, below an open directory', () => {
    assert.equal(posix.posixLimits(), undefined);
    callsWork(base, 1n);
  });

  it('stay in a directory that has been swapped for a link', () => {
    mkdirSync(join(base, 'target'));
    mkdirSync(join(base, 'outside'));
    const target = posix.openDirectoryAt(AT_FDCWD, bytes(join(base, 'target')));
    posix.renameat(AT_FDCWD, bytes(join(base, 'target')), AT_FDCWD, bytes(join(base, 'moved')));
    symlinkSync('outside', join(base, 'target'));
    posix.mkdirat(target, bytes('x'), 0o755);
    assert.equal(existsSync(join(base, 'outside', 'x')), false);
    assert.equal(existsSync(join(base, 'moved', 'x')), true);
    closeSync(target);
  });

  it('make FIFOs, and devices as root', () => {
    posix.mknodat(AT_FDCWD, bytes(join(base, 'fifo')), constants.S_IFIFO | 0o600);
    assert.equal(lstatSync(join(base, 'fifo')).isFIFO(), true);
    posix.fchmodat(AT_FDCWD, bytes(join(base, 'fifo')), 0o666);
    assert.equal(lstatSync(join(base, 'fifo')).mode & 0o777, 0o666);
    const device = () =>
      posix.mknodat(AT_FDCWD, bytes(join(base, 'device')), constants.S_IFCHR | 0o600, makeDevice(4095, 0xfffff));
    if (root) device();
    else assert.throws(device, { code: 'EPERM' });
    if (root) assert.equal(lstatSync(join(base, 'device')).rdev, makeDevice(4095, 0xfffff));
  });

  it('throw what fs throws', () => {
    const missing = join(base, 'missing');
    assert.throws(
      () => posix.openat(AT_FDCWD, bytes(missing), constants.O_RDONLY),
      (error: NodeJS.ErrnoException) => {
        assert.deepEqual(
          { code: error.code, errno: error.errno, syscall: error.syscall, path: error.path, message: error.message },
          {
            code: 'ENOENT',
            errno: -2,
            syscall: 'openat',
            path: missing,
            message: `ENOENT: no such file or directory, openat '${missing}'`,
          },
        );
        return systemReason(error) === 'no such file or directory';
      },
    );
    assert.throws(() => posix.openat(9999, bytes('x'), constants.O_RDONLY), { code: 'EBADF' });
    assert.throws(() => posix.readlinkat(AT_FDCWD, bytes(base)), { code: 'EINVAL' });
    assert.throws(() => posix.unlinkat(AT_FDCWD, bytes(`${base}/a\0b`)), { code: 'EINVAL' });
    assert.throws(() => posix.utimensat(AT_FDCWD, bytes(missing), undefined, { seconds: 0, nanoseconds: 0 }), {
      code: 'ENOENT',
    });
    assert.throws(() => posix.futimens(9999, undefined, { seconds: 0, nanoseconds: 0 }), { code: 'EBADF' });
  });

  it('close files over exec', () => {
    writeFileSync(join(base, 'file'), '');
    const file = posix.openat(AT_FDCWD, bytes(join(base, 'file')), constants.O_RDONLY);
    assert.match(readFileSync(`/proc/self/fdinfo/${file}`, 'utf8'), /^flags:\s+0?2\d{6}$/m);
    closeSync(file);
  });

  it('work without koffi, to the microsecond and without FIFOs', () => {
    withoutLibc('for a test');
    assert.match(posix.posixLimits() ?? '', /for a test.*microsecond.*FIFO/);
    callsWork(base, 10_000n);
    assert.throws(() => posix.mknodat(AT_FDCWD, bytes(join(base, 'none')), constants.S_IFIFO), { code: 'ENOSYS' });
  });
});
