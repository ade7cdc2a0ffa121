// The list of all commands: summaries and groups for the help, and how to load each.
import type { CommandModule } from './shell.js';

interface Listed {
  readonly summary: string;
  /** The heading in the help. */
  readonly group: string;
  readonly load: () => Promise<CommandModule>;
}

/** The group of all other commands. */
export const OTHER = 'Other';

/** All commands, in the order in which the help lists them. */
export const COMMANDS: Readonly<Record<string, Listed>> = {
  init: {
    group: 'Every day',
    summary: 'create a repository',
    load: () => import('../commands/init/definition.js'),
  },
  backup: {
    group: 'Every day',
    summary: 'make a snapshot of files and directories',
    load: () => import('../commands/backup/definition.js'),
  },
  snapshots: {
    group: 'Every day',
    summary: 'list the snapshots',
    load: () => import('../commands/snapshots/definition.js'),
  },
  restore: {
    group: 'Get files back',
    summary: 'restore files from a snapshot',
    load: () => import('../commands/restore/definition.js'),
  },
  ls: {
    group: 'Get files back',
    summary: 'list the files in a snapshot',
    load: () => import('../commands/ls/definition.js'),
  },
  find: {
    group: 'Get files back',
    summary: 'find files in snapshots',
    load: () => import('../commands/find/definition.js'),
  },
  diff: {
    group: 'Get files back',
    summary: 'show the changes between two snapshots',
    load: () => import('../commands/diff/definition.js'),
  },
  dump: {
    group: 'Get files back',
    summary: 'print a file, or a directory as tar or zip',
    load: () => import('../commands/dump/definition.js'),
  },
  mount: {
    group: 'Get files back',
    summary: 'mount snapshots as a file system',
    load: () => import('../commands/mount/definition.js'),
  },
  forget: {
    group: 'Keep and remove snapshots',
    summary: 'remove snapshots by policy or id',
    load: () => import('../commands/forget/definition.js'),
  },
  prune: {
    group: 'Keep and remove snapshots',
    summary: 'delete data that no snapshot needs',
    load: () => import('../commands/prune/definition.js'),
  },
  tag: {
    group: 'Keep and remove snapshots',
    summary: 'change the tags of snapshots',
    load: () => import('../commands/tag/definition.js'),
  },
  rewrite: {
    group: 'Keep and remove snapshots',
    summary: 'remove files from existing snapshots',
    load: () => import('../commands/rewrite/definition.js'),
  },
  check: {
    group: 'Care for the repository',
    summary: 'check the repository for errors',
    load: () => import('../commands/check/definition.js'),
  },
  repair: {
    group: 'Care for the repository',
    summary: 'repair a damaged repository',
    load: () => import('../commands/repair/definition.js'),
  },
  recover: {
    group: 'Care for the repository',
    summary: 'recover snapshots that were forgotten by mistake',
    load: () => import('../commands/recover/definition.js'),
  },
  copy: {
    group: 'Care for the repository',
    summary: 'copy snapshots from another repository',
    load: () => import('../commands/copy/definition.js'),
  },
  stats: {
    group: 'Care for the repository',
    summary: 'show sizes and counts',
    load: () => import('../commands/stats/definition.js'),
  },
  unlock: {
    group: 'Care for the repository',
    summary: 'remove leases of processes that have ended',
    load: () => import('../commands/unlock/definition.js'),
  },
  key: {
    group: 'Keys',
    summary: 'manage keys and passwords',
    load: () => import('../commands/key/definition.js'),
  },
  serve: {
    group: 'Servers and stores',
    summary: 'serve repositories to varve and restic over HTTP',
    load: () => import('../commands/serve/definition.js'),
  },
  store: {
    group: 'Servers and stores',
    summary: 'store test: test whether a location can hold a repository',
    load: () => import('../commands/store/definition.js'),
  },
  list: {
    group: OTHER,
    summary: 'list objects of one kind',
    load: () => import('../commands/list/definition.js'),
  },
  cat: {
    group: OTHER,
    summary: 'print one object of the repository',
    load: () => import('../commands/cat/definition.js'),
  },
  repo: {
    group: OTHER,
    summary: 'repo init: the same as init',
    load: () => import('../commands/repo/definition.js'),
  },
  version: {
    group: OTHER,
    summary: 'print the version',
    load: () => import('../commands/version/definition.js'),
  },
};
