import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';
import { addSelectionOptions, addTimeOption, collect } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Get files back: from a snapshot, from a directory in it, or one file. varve never writes outside the target. For SNAPSHOT:DIRECTORY a
target that is new or empty becomes that directory, with its owner, mode and times. A restore can be interrupted and run again: files that are
right are not written again. It compares contents; with --overwrite if-changed, size and time.`;

const EXAMPLES = `
Examples:
  varve restore latest --target /tmp/restored
  varve restore latest:/home/anna/letters --target ~/letters --overwrite if-changed
  varve restore latest:/etc/fstab --target /tmp/restored
  varve restore --time 3d --target /tmp/restored
  varve restore 1a2b3c4d --target / --include /etc/nginx --verify

Patterns are those of \`varve backup\`. They are compared with the path as \`varve ls\` lists it, and
with SNAPSHOT:DIRECTORY with the path below that directory; what matches is taken with all that is in it.

Exit codes: 0 all is restored; 1 failed, or some files could not be restored; 10 no repository; 12
wrong password; 130 interrupted. When the target or your rights do not allow a file's owner, mode,
times or attributes, that is a warning; when a fault keeps them from being set, it is an error.`;

export function define(command: Command, shell: Shell): void {
  command
    .description(DESCRIPTION)
    .argument('[snapshot[:path]]', 'latest, an id, or the beginning of one')
    .addHelpText('after', EXAMPLES);
  command
    .option('-t, --target <directory>', 'where to; made if it does not exist')
    .option('-i, --include <pattern>', 'only what matches (repeatable)', collect)
    .option('--iinclude <pattern>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('--include-file <file>', 'only what the patterns in this file match (repeatable)', collect)
    .option('--iinclude-file <file>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('-e, --exclude <pattern>', 'not what matches (repeatable)', collect)
    .option('--iexclude <pattern>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('--exclude-file <file>', 'not what the patterns in this file match (repeatable)', collect)
    .option('--iexclude-file <file>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('--overwrite <when>', 'what to do with files that are there: always, if-changed, if-newer, never', 'always')
    .option('--delete', 'remove from the restored directories what is not in the snapshot')
    .option('--verify', 'read every restored file back and compare')
    .option('-n, --dry-run', 'write nothing; with -v tell what would be done, with -vv also what is right')
    .option('--include-xattr <pattern>', 'only extended attributes whose name matches: user.* (repeatable)', collect)
    .option('--exclude-xattr <pattern>', 'no extended attributes whose name matches (repeatable)', collect)
    .option('--ownership-by-name', 'set owners by name where this machine knows the name: so it is anyway')
    .option('--numeric-owner', 'set owners by number, not by name')
    .option('--sparse', 'make holes of long runs of zeros, beside those that the source had')
    .option('--no-special', 'make no devices, FIFOs and sockets, and set no setuid and setgid bits');
  addSelectionOptions(command, 'taken for latest');
  addTimeOption(command);
  run(command, shell, async (context, args, options) => {
    const { restoreCommand } = await import('./command.js');
    return restoreCommand(context, args, options as Parameters<typeof restoreCommand>[2]);
  });
}
