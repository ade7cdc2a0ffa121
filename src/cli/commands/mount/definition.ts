import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';
import { addSelectionOptions, collect } from '../../snapshots/snapshot-selection.js';
import type { MountFlags } from './command.js';

const DESCRIPTION = `Show the snapshots as directories that any program can read (Linux). Nothing can be changed there, and new snapshots appear by
themselves. It runs until Ctrl-C or SIGTERM, or until the directory is unmounted. Root needs nothing but the kernel's FUSE; other users need
fusermount3, of the package fuse3. See docs/mount.md.`;

const EXAMPLES = `
Examples:
  mkdir /mnt/past
  varve mount /mnt/past
  ls /mnt/past/snapshots/latest/home/anna
  varve mount /mnt/past --host web1 --allow-other
  varve mount /mnt/past --path-template 'by-user/%u/%T' --time-template 2006-01-02_15-04-05

In a path template %i stands for the snapshot's short id, %I for the long one, %h for its host, %u for its user, %t for each of its
tags, %p for each of its paths, and %T for its time. A time template says how this time would be written: Mon Jan 2 15:04:05 -0700 MST 2006.
A size is a number of bytes, with k, M, G or T after it if wanted.

Exit codes: 0 it was told to end, or unmounted; 1 it cannot mount; 10 no repository; 12 wrong password.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).argument('<mountpoint>', 'an existing directory').addHelpText('after', EXAMPLES);
  addSelectionOptions(command, 'shown')
    .option(
      '--path-template <template>',
      'where a snapshot is seen; repeatable (default: ids/%i, snapshots/%T, hosts/%h/%T, tags/%t/%T, paths/%p/%T)',
      collect,
    )
    .option('--time-template <template>', 'how times are written (default: 2006-01-02T15:04:05Z07:00)')
    .option('--owner-root', 'everything belongs to root')
    .option('--allow-other', 'other users may look into it, as far as modes and owners let them')
    .option('--no-default-permissions', 'with --allow-other: whatever modes and owners say')
    .option('--cache-size <size>', 'memory for contents of files that were read, 16M to 4000M', '128M');
  run<MountFlags>(command, shell, async (context, args, flags) => {
    const { mountCommand } = await import('./command.js');
    return mountCommand(context, args, flags);
  });
}
