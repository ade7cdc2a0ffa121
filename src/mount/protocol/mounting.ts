import { Buffer } from 'node:buffer';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { constants as system } from 'node:os';
import { errnoCode, systemReason, VarveError } from '../../errors/errors.js';
import { systemError } from '../../filesystem/libc.js';
import { childEnvironment } from '../../storage/transport/child-environment.js';
import { calls } from './calls.js';
import { receiveDescriptor, socketPair } from './descriptors.js';

const DEVICE = '/dev/fuse';
const HELPERS = ['fusermount3', 'fusermount'];
/** Bytes of the longest READ. */
export const MAX_READ = 1024 * 1024;

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MNT_DETACH = 2;
const F_GETFL = 3;
const F_SETFL = 4;

export interface MountOptions {
  /** Others than who mounts may look into it. */
  readonly allowOther: boolean;
  /** The kernel compares modes and owners with who asks. */
  readonly defaultPermissions: boolean;
  /** As `df` and `mount` name it. */
  readonly source: string;
}

/** A mount as the kernel has it, and the device by which it asks. */
export interface Mounted {
  /** Does not block. */
  readonly file: number;
  /** Without links in it. */
  readonly path: string;
  /**
   * Takes the mount away.
   *
   * @param lazily also while it is in use: it is then out of sight, and ends when nobody uses it any more
   * @returns false when it is in use
   */
  unmount(lazily: boolean): Promise<boolean>;
}

/**
 * Mounts: as root with the kernel's own call, as a user through fusermount3.
 *
 * @throws VarveError that says what is missing
 */
export async function mount(mountpoint: string, options: MountOptions): Promise<Mounted> {
  calls();
  const path = await directoryToMountOn(mountpoint);
  return process.geteuid?.() === 0 ? mountAsRoot(path, options) : mountAsUser(path, options);
}

async function directoryToMountOn(mountpoint: string): Promise<string> {
  try {
    if (!statSync(mountpoint).isDirectory()) throw new VarveError('usage', `${mountpoint}: is not a directory`);
    return await realpath(mountpoint);
  } catch (cause) {
    if (cause instanceof VarveError) throw cause;
    const code = errnoCode(cause);
    if (code === 'ENOTCONN')
      throw new VarveError(
        'target',
        `${mountpoint}: a mount lies there whose program is gone; \`umount -l ${mountpoint}\` (or \`fusermount3 -uz\`) takes it away`,
      );
    const hint = code === 'ENOENT' ? `; \`mkdir ${mountpoint}\` makes it` : '';
    throw new VarveError('target', `${mountpoint}: ${systemReason(cause)}${hint}`, { cause });
  }
}

function mountAsRoot(path: string, options: MountOptions): Mounted {
  const file = openDevice();
  const c = calls();
  const data = [`fd=${file}`, 'rootmode=40000', 'user_id=0', 'group_id=0', ...kernelOptions(options)].join(',');
  const target = Buffer.from(`${path}\0`);
  if (c.mount(options.source, target, 'fuse.varve', MS_RDONLY | MS_NOSUID | MS_NODEV, data) !== 0) {
    const errno = c.errno();
    closeSync(file);
    throw rootsFailure(path, errno);
  }
  const unmount = async (lazily: boolean): Promise<boolean> => {
    if (c.umount2(target, lazily ? MNT_DETACH : 0) === 0) return true;
    const errno = c.errno();
    if (errno === system.errno.EBUSY) return false;
    // Not mounted any more: somebody else took it away.
    if (errno === system.errno.EINVAL || errno === system.errno.ENOENT) return true;
    throw new VarveError('target', `${path}: cannot be unmounted: ${systemReason(systemError(errno, 'umount2'))}`);
  };
  return { file, path, unmount };
}

function kernelOptions({ allowOther, defaultPermissions }: MountOptions): string[] {
  return [
    ...(allowOther ? ['allow_other'] : []),
    ...(defaultPermissions ? ['default_permissions'] : []),
    `max_read=${MAX_READ}`,
  ];
}

function openDevice(): number {
  try {
    return openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw deviceFailure(cause);
  }
}

/** What to do where the kernel's side is missing or closed. */
function deviceFailure(cause: unknown): VarveError {
  const code = errnoCode(cause);
  const say = (what: string): VarveError => new VarveError('target', what, { cause });
  if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO')
    return say(
      `${DEVICE} is missing: the kernel's FUSE is not there. \`modprobe fuse\` as root loads it; a container must be given it (docker run --device ${DEVICE} --cap-add SYS_ADMIN)`,
    );
  if (code === 'EACCES' || code === 'EPERM')
    return say(
      `${DEVICE} cannot be opened: ${systemReason(cause)}. \`chmod 666 ${DEVICE}\` as root opens it to users, as most systems have it; a container must be given the device`,
    );
  return say(`${DEVICE} cannot be opened: ${systemReason(cause)}`);
}

function rootsFailure(path: string, errno: number): VarveError {
  const reason = systemReason(systemError(errno, 'mount'));
  const hint =
    errno === system.errno.EPERM
      ? '; in a container, mounting must be allowed (docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined)'
      : errno === system.errno.ENODEV
        ? '; the kernel lacks FUSE: `modprobe fuse` loads it'
        : '';
  return new VarveError('target', `${path}: cannot be mounted on: ${reason}${hint}`);
}

function mountAsUser(path: string, options: MountOptions): Mounted {
  // Which says better than fusermount3 what is wrong with it.
  closeSync(openDevice());
  const helper = findHelper();
  const [ours, theirs] = socketPair();
  try {
    const asked = ['ro', 'nosuid', 'nodev', `fsname=${escapeOption(options.source)}`, 'subtype=varve'];
    const args = ['-o', [...asked, ...kernelOptions(options)].join(','), '--', path];
    const ran = spawnSync(helper, args, {
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      env: { ...childEnvironment('system', process.env), _FUSE_COMMFD: '3' },
      encoding: 'utf8',
    });
    if (ran.status !== 0) throw helpersFailure(path, ran.stderr ?? '', ran.error);
    const file = receiveDescriptor(ours);
    const c = calls();
    c.fcntl(file, F_SETFL, c.fcntl(file, F_GETFL, 0) | constants.O_NONBLOCK);
    return { file, path, unmount: (lazily) => unmountAsUser(helper, path, lazily) };
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/** fusermount3 splits its options at commas. */
function escapeOption(text: string): string {
  return text.replaceAll(/[\\,]/g, '\\$&');
}

function findHelper(): string {
  const env = childEnvironment('system', process.env);
  for (const helper of HELPERS)
    if (spawnSync(helper, ['-V'], { stdio: 'ignore', env }).error === undefined) return helper;
  throw new VarveError(
    'target',
    'fusermount3 is missing, without which only root can mount: install fuse3 (apt install fuse3, dnf install fuse3, apk add fuse3)',
  );
}

function helpersFailure(path: string, stderr: string, cause: Error | undefined): VarveError {
  const said = stderr.trim().replaceAll(/\s*\n\s*/g, '; ');
  const reason = said === '' ? `fusermount3 failed${cause === undefined ? '' : `: ${cause.message}`}` : said;
  const hint = said.includes('user_allow_other')
    ? '; that is a line `user_allow_other` in /etc/fuse.conf, which root can write there'
    : /must have .*setuid|Operation not permitted/i.test(said)
      ? '; fusermount3 must belong to root and have its setuid bit (reinstall fuse3), and in a container mounting must be allowed'
      : '';
  return new VarveError('target', `${path}: cannot be mounted on: ${reason}${hint}`);
}

/** Not to be waited for in one go: it may ask something of the mount, which this process answers. */
async function unmountAsUser(helper: string, path: string, lazily: boolean): Promise<boolean> {
  const child = spawn(helper, ['-u', ...(lazily ? ['-z'] : []), '--', path], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: childEnvironment('system', process.env),
  });
  let said = '';
  child.stderr?.on('data', (bytes) => {
    said += bytes;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status === 0 || !isMounted(path)) return true;
  if (/busy/i.test(said)) return false;
  throw new VarveError('target', `${path}: cannot be unmounted: ${said.trim()}`);
}

/** Where the kernel keeps how far it reads ahead; undefined when that cannot be told. */
export function readAheadSetting(path: string): string | undefined {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .findLast((each) => each.split(' ')[4] === escapeMount(path));
  const device = line?.split(' ')[2];
  return device === undefined ? undefined : `/sys/class/bdi/${device}/read_ahead_kb`;
}

/** As the kernel lists paths of mounts. */
export function escapeMount(path: string): string {
  return path.replaceAll(/[ \t\n\\]/g, (each) => `\\${each.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/** Whether something of varve is mounted there. */
export function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.includes(` ${escapeMount(path)} fuse.varve `));
}
