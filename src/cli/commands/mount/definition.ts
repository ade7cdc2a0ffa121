import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { addSelectionOptions, collect } from '../../snapshots/snapshot-selection.js';
import type { MountFlags } from './command.js';

const DESCRIPTION = `Mount the snapshots as a read-only file system (Linux). New snapshots appear by themselves. The mount lasts until Ctrl-C, SIGTERM, or an
unmount. Root needs only the kernel's FUSE; other users need fusermount3 from the package fuse3. See docs/mount.md.`;

const EXAMPLES = `
A path template uses %i for the snapshot's short id, %I for its full id, %h for its host, %u for its user, %t for each of its
tags, %p for each of its paths, and %T for its time. A time template is this time, as you want it written:
Mon Jan 2 15:04:05 -0700 MST 2006. A size is a number of bytes, or a number with k, M, G or T.

Examples:
  mkdir /mnt/past
  varve mount /mnt/past
  ls /mnt/past/snapshots/latest/home/anna
  varve mount /mnt/past --host web1 --allow-other
  varve mount /mnt/past --path-template 'by-user/%u/%T' --time-template 2006-01-02_15-04-05

Exit codes: 0 ended by a signal or an unmount; 1 failed to mount; 10 no repository; 12 wrong password.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).argument('<mountpoint>', 'an existing directory').addHelpText('after', EXAMPLES);
  addSelectionOptions(command, 'shown')
    .option(
      '--path-template <template>',
      'where snapshots appear; repeatable (default: ids/%i, snapshots/%T, hosts/%h/%T, tags/%t/%T, paths/%p/%T)',
      collect,
    )
    .option('--time-template <template>', 'format of times (default: 2006-01-02T15:04:05Z07:00)')
    .option('--owner-root', 'show root as the owner of everything')
    .option('--allow-other', 'let other users read it, as modes and owners allow')
    .option('--no-default-permissions', 'with --allow-other: ignore modes and owners')
    .option('--cache-size <size>', 'memory for cached file contents, 16M to 4000M', '128M');
  run<MountFlags>(command, session, async (context, args, flags) => {
    const { mountCommand } = await import('./command.js');
    return mountCommand(context, args, flags);
  });
}
