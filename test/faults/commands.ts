/** The commands that run under faults: their arguments, what they touch, and what they may change. */
import { join } from 'node:path';
import { NO_FUSE } from '../mount/fuse.js';
import { type History, PASSWORD, type Stage } from './stage.js';

/** Where calls fail. `other` is the second repository of a copy. */
export const AREAS = ['repository', 'other', 'source', 'target', 'cache'] as const;
export type Area = (typeof AREAS)[number];

export interface Command {
  readonly name: string;
  readonly args: readonly string[];
  readonly areas: readonly Area[];
  /** The repository that it writes to. */
  readonly writes?: 'repository' | 'other';
  /** Snapshots that it may remove. */
  readonly removes?: readonly string[];
  /** Whether it puts others in the place of snapshots. */
  readonly replaces?: boolean;
  /** Whether it makes a snapshot of the source. */
  readonly backsUp?: boolean;
  /** Whether it restores the newest snapshot to the target. */
  readonly restores?: boolean;
  readonly parityOnly?: boolean;
  /** Whether it may have been done although it failed, and cannot be done twice. */
  readonly onceOnly?: boolean;
  /** Whether it goes through a server, whose calls fail, and not its own. */
  readonly served?: boolean;
  /** The directory in which it tries what a store has to do, and leaves nothing. What failed is its result. */
  readonly triesPlace?: string;
  /** Whether it is a mount, which is read and ended. */
  readonly mounts?: boolean;
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const READ: readonly Area[] = ['repository', 'cache'];

/** Commands that change nothing. */
function readers(stage: Stage, { snapshots, pack }: History): Command[] {
  const [first = '', second = '', newest = ''] = snapshots;
  const directory = join(stage.source, 'documents');
  const lines = {
    snapshots: ['snapshots'],
    'snapshots --json': ['snapshots', '--json'],
    ls: ['ls', 'latest'],
    'ls --json': ['ls', '--json', first],
    find: ['find', 'letter*'],
    'find --pack': ['find', '--pack', pack],
    stats: ['stats'],
    'stats raw-data': ['stats', '--mode', 'raw-data'],
    'stats blobs-per-file': ['stats', '--mode', 'blobs-per-file', 'latest'],
    diff: ['diff', first, second],
    'diff --json': ['diff', '--json', second, newest],
    'dump file': ['dump', 'latest', join(stage.source, 'pictures', 'changing')],
    'dump tar': ['dump', 'latest', directory],
    'dump zip': ['dump', '--archive', 'zip', first, directory],
    'cat snapshot': ['cat', 'snapshot', newest],
    'cat config': ['cat', 'config'],
    'list packs': ['list', 'packs'],
    'list blobs': ['list', 'blobs'],
    'list snapshots': ['list', 'snapshots'],
    check: ['check'],
    'check --read-data': ['check', '--read-data'],
    'check --scrub': ['check', '--scrub'],
    'key list': ['key', 'list'],
    'prune --dry-run': ['prune', '--dry-run', '--max-unused', '0'],
    'forget --dry-run': ['forget', '--dry-run', '--keep-last', '1'],
    'rewrite --dry-run': ['rewrite', '--dry-run', '--exclude', 'changing'],
    'repair index --dry-run': ['repair', 'index', '--dry-run'],
    'repair snapshots --dry-run': ['repair', 'snapshots', '--dry-run'],
  };
  return Object.entries(lines).map(([name, args]) => ({ name, args, areas: READ }));
}

function restores(stage: Stage): Command[] {
  const latest = `latest:${stage.source}`;
  const areas: readonly Area[] = ['repository', 'cache', 'target', 'target', 'target'];
  const restore = (name: string, ...args: string[]): Command => ({
    name,
    args: ['restore', latest, '--target', stage.run('target', 'fresh'), ...args],
    areas,
    restores: true,
  });
  const again = { args: ['restore', latest, '--target', stage.run('target', 'restored')] };
  return [
    restore('restore'),
    restore('restore --verify', '--verify'),
    { ...restore('restore again'), ...again },
    { ...restore('restore --delete'), args: [...again.args, '--delete'] },
    {
      name: 'dump --target',
      args: ['dump', 'latest', join(stage.source, 'pictures'), '--target', stage.run('target', 'archive.tar')],
      areas,
    },
  ];
}

function backups(stage: Stage): Command[] {
  const areas: readonly Area[] = ['repository', 'repository', 'cache', 'source', 'source'];
  const writes = 'repository';
  return [
    { name: 'backup', args: ['backup', stage.source], areas, writes, backsUp: true },
    { name: 'backup --force', args: ['backup', '--force', stage.source], areas, writes, backsUp: true },
    { name: 'backup --dry-run', args: ['backup', '--dry-run', stage.source], areas },
    {
      name: 'backup --stdin',
      args: ['backup', '--stdin', '--stdin-filename', 'dump'],
      input: 'a dump\n'.repeat(30_000),
      areas: READ,
      writes,
    },
  ];
}

function writers(stage: Stage, { snapshots, pack, spareKey }: History): Command[] {
  const [first = '', second = ''] = snapshots;
  const all = ['--max-unused', '0', '--grace', '0'];
  const writes = 'repository';
  const newKey = ['--new-key-file', stage.run('new-key')];
  return [
    { name: 'tag', args: ['tag', '--add', 'kept'], areas: READ, writes, replaces: true },
    { name: 'forget', args: ['forget', first], areas: READ, writes, removes: [first], onceOnly: true },
    {
      name: 'forget --keep-last',
      args: ['forget', '--keep-last', '1'],
      areas: READ,
      writes,
      removes: [first, second],
    },
    {
      name: 'forget --prune',
      args: ['forget', '--keep-last', '1', '--prune', ...all],
      areas: READ,
      writes,
      removes: [first, second],
    },
    { name: 'prune', args: ['prune', ...all], areas: READ, writes },
    { name: 'prune --repack-small', args: ['prune', ...all, '--repack-small'], areas: READ, writes },
    { name: 'rewrite', args: ['rewrite', '--exclude', 'changing'], areas: READ, writes },
    {
      name: 'rewrite --forget',
      args: ['rewrite', '--forget', '--exclude', 'changing'],
      areas: READ,
      writes,
      replaces: true,
    },
    { name: 'key add', args: ['key', 'add', ...newKey], areas: READ, writes },
    { name: 'key passwd', args: ['key', 'passwd', ...newKey], areas: READ, writes, onceOnly: true },
    { name: 'key remove', args: ['key', 'remove', spareKey], areas: READ, writes, onceOnly: true },
    { name: 'key rotate', args: ['key', 'rotate'], areas: READ, writes },
    { name: 'unlock', args: ['unlock'], areas: READ, writes },
    { name: 'recover', args: ['recover'], areas: READ, writes },
    { name: 'repair index', args: ['repair', 'index'], areas: READ, writes },
    { name: 'repair index --read-all-packs', args: ['repair', 'index', '--read-all-packs'], areas: READ, writes },
    { name: 'repair packs', args: ['repair', 'packs', pack], areas: READ, writes },
    { name: 'repair snapshots --forget', args: ['repair', 'snapshots', '--forget'], areas: READ, writes },
    { name: 'check --repair', args: ['check', '--repair'], areas: READ, writes, parityOnly: true },
    { name: 'init', args: ['init', '--repo', stage.run('target', 'new')], areas: ['target', 'cache'] },
    {
      name: 'copy',
      args: ['copy', '--repo', stage.run('other'), '--from-repo', stage.run('repository')],
      environment: { VARVE_FROM_PASSWORD: PASSWORD },
      areas: ['repository', 'other', 'other', 'cache'],
      writes: 'other',
    },
  ];
}

/** Commands that also run as clients of `varve serve`. */
const SERVED =
  /^(snapshots|ls|dump file|check|check --read-data|restore|restore --verify|backup|backup --force|tag|forget|forget --keep-last|forget --prune|prune|rewrite --forget|key add|key passwd|recover|repair index|repair packs)$/;
/** How long a client asks again what the server failed to do. */
const RETRIES = ['--retry-for', '1s'];

function asClients(commands: readonly Command[]): Command[] {
  return commands
    .filter(({ name }) => SERVED.test(name))
    .map((command) => ({
      ...command,
      name: `${command.name} served`,
      args: [...command.args, ...RETRIES],
      areas: ['repository'],
      served: true,
    }));
}

export function commandsOn(stage: Stage, history: History): Command[] {
  const tested = stage.run('target', 'tested');
  const commands = [...readers(stage, history), ...restores(stage), ...backups(stage), ...writers(stage, history)];
  return [
    ...commands,
    ...asClients(commands),
    ...(NO_FUSE ? [] : [{ name: 'mount', args: ['mount', stage.mountpoint], areas: READ, mounts: true }]),
    { name: 'store test', args: ['store', 'test', tested], areas: ['target'], triesPlace: tested },
  ];
}
