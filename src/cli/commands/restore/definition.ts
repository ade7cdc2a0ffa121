import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { addSelectionOptions, addTimeOption, collect } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Restore a snapshot, a directory of it, or one file. varve never writes outside the target. With SNAPSHOT:DIRECTORY, a target that is new or
empty becomes that directory, with its owner, mode and times. You can interrupt a restore and run it again: it does not rewrite files that are
already correct. It compares file contents; with --overwrite if-changed, it compares size and time.`;

const EXAMPLES = `
Patterns work as in \`varve backup\`. They match the path that \`varve ls\` lists; with SNAPSHOT:DIRECTORY, the path below
that directory. A directory that matches includes everything in it.

Examples:
  varve restore latest --target /tmp/restored
  varve restore latest:/home/anna/letters --target ~/letters --overwrite if-changed
  varve restore latest:/etc/fstab --target /tmp/restored
  varve restore --time 3d --target /tmp/restored
  varve restore 1a2b3c4d --target / --include /etc/nginx --verify

Exit codes: 0 restored; 1 failed, or some files could not be restored; 10 no repository; 12 wrong password; 130
interrupted. If the target or your rights do not allow an owner, mode, time or attribute, that is a warning; if a fault
prevents it, that is an error.`;

export function define(command: Command, session: Session): void {
  command
    .description(DESCRIPTION)
    .argument('[snapshot[:path]]', 'latest, an id, or a prefix of an id')
    .addHelpText('after', EXAMPLES);
  command
    .option('-t, --target <directory>', 'directory to restore to; created if missing')
    .option('-i, --include <pattern>', 'restore only what matches this pattern (repeatable)', collect)
    .option('--iinclude <pattern>', 'the same, ignoring case (repeatable)', collect)
    .option('--include-file <file>', 'restore only what matches a pattern in this file (repeatable)', collect)
    .option('--iinclude-file <file>', 'the same, ignoring case (repeatable)', collect)
    .option('-e, --exclude <pattern>', 'do not restore what matches this pattern (repeatable)', collect)
    .option('--iexclude <pattern>', 'the same, ignoring case (repeatable)', collect)
    .option('--exclude-file <file>', 'do not restore what matches a pattern in this file (repeatable)', collect)
    .option('--iexclude-file <file>', 'the same, ignoring case (repeatable)', collect)
    .option('--overwrite <when>', 'when to overwrite existing files: always, if-changed, if-newer, never', 'always')
    .option('--delete', 'delete files from restored directories that are not in the snapshot')
    .option('--verify', 'read all restored files back and compare them')
    .option('-n, --dry-run', 'write nothing; -v shows what would be restored, -vv also what is up to date')
    .option(
      '--include-xattr <pattern>',
      'restore only extended attributes whose name matches: user.* (repeatable)',
      collect,
    )
    .option('--exclude-xattr <pattern>', 'restore no extended attributes whose name matches (repeatable)', collect)
    .option('--ownership-by-name', 'set owners by name where this machine knows the name (the default)')
    .option('--numeric-owner', 'set owners by number instead of name')
    .option('--sparse', 'write long runs of zeros as holes, in addition to the holes of the source')
    .option('--no-special', 'do not create devices, FIFOs or sockets, and do not set setuid or setgid bits');
  addSelectionOptions(command, 'used for latest');
  addTimeOption(command);
  run(command, session, async (context, args, options) => {
    const { restoreCommand } = await import('./command.js');
    return restoreCommand(context, args, options as Parameters<typeof restoreCommand>[2]);
  });
}
