import type { CommandModule } from './shell.js';

interface Listed {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/** All commands, in the order in which the help lists them. */
export const COMMANDS: Readonly<Record<string, Listed>> = {
  init: { summary: 'make a new repository', load: () => import('./commands/init.js') },
  backup: { summary: 'make a snapshot of files and folders', load: () => import('./commands/backup.js') },
  snapshots: { summary: 'list the snapshots', load: () => import('./commands/snapshots.js') },
  ls: { summary: 'list the files in a snapshot', load: () => import('./commands/ls.js') },
  find: { summary: 'find files in snapshots, or what needs a blob', load: () => import('./commands/find.js') },
  diff: { summary: 'show what changed between two snapshots', load: () => import('./commands/diff.js') },
  restore: { summary: 'get files back from a snapshot', load: () => import('./commands/restore.js') },
  dump: { summary: 'print a file of a snapshot, or a folder as tar or zip', load: () => import('./commands/dump.js') },
  mount: { summary: 'look into snapshots as into folders', load: () => import('./commands/mount.js') },
  forget: { summary: 'remove snapshots, by a policy or by id', load: () => import('./commands/forget.js') },
  tag: { summary: 'change the tags of snapshots', load: () => import('./commands/tag.js') },
  rewrite: { summary: 'leave paths out of snapshots that there are', load: () => import('./commands/rewrite.js') },
  copy: { summary: 'copy snapshots from another repository', load: () => import('./commands/copy.js') },
  stats: { summary: 'count files, bytes and blobs', load: () => import('./commands/stats.js') },
  prune: { summary: 'remove what no snapshot needs', load: () => import('./commands/prune.js') },
  check: { summary: 'look whether the repository is sound', load: () => import('./commands/check.js') },
  recover: {
    summary: 'make a snapshot of what nothing refers to',
    load: () => import('./commands/recover.js'),
  },
  repair: { summary: 'mend what is damaged', load: () => import('./commands/repair.js') },
  key: { summary: 'list, add, remove and change keys', load: () => import('./commands/key.js') },
  list: { summary: 'list objects of a kind', load: () => import('./commands/list.js') },
  cat: { summary: 'print one object of the repository', load: () => import('./commands/cat.js') },
  unlock: { summary: 'remove the leases of processes that are gone', load: () => import('./commands/unlock.js') },
  serve: { summary: 'serve repositories to restic and varve by HTTP', load: () => import('./commands/serve.js') },
  store: {
    summary: 'store test: try whether a place can hold a repository',
    load: () => import('./commands/store.js'),
  },
  repo: { summary: 'repo init: the same as init', load: () => import('./commands/repo.js') },
  version: { summary: 'print the version', load: () => import('./commands/version.js') },
};
