import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';
import { addRemakeOptions } from '../../snapshots/rewrite-command.js';
import { collect } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Leave files and directories out of snapshots that there are. A snapshot is never changed: a new one is written, with the tag rewrite;
with --forget the old one is then removed. What only the old one needs stays in the repository until it is pruned. Needs a manage or full key.`;

const EXAMPLES = `
Examples:
  varve rewrite --exclude '*.iso' --dry-run -v
  varve rewrite --exclude /home/anna/secret --forget 1a2b3c4d && varve prune
  varve rewrite --new-host web2 --forget --host web1

Patterns are those of \`varve backup\`, for the paths as \`varve ls\` tells them. Without ids all snapshots are
rewritten that the filters leave. One of which nothing changes stays as it is, and so does one in which
--include finds nothing.

Exit codes: 0 done; 1 failed, for some snapshots or all; 10 no repository; 12 wrong
password; 130 interrupted.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command
    .option('-e, --exclude <pattern>', 'leave out what matches (repeatable)', collect)
    .option('--iexclude <pattern>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('--exclude-file <file>', 'leave out what the patterns in this file match (repeatable)', collect)
    .option('--iexclude-file <file>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('-i, --include <pattern>', 'keep only what matches (repeatable)', collect)
    .option('--iinclude <pattern>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('--include-file <file>', 'keep only what the patterns in this file match (repeatable)', collect)
    .option('--iinclude-file <file>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('--new-host <host>', 'give the new snapshots this host')
    .option('--new-time <time>', 'give the new snapshots this time: "2006-01-02 15:04:05" or RFC 3339')
    .option('-s, --snapshot-summary', 'write the number and size of its files into each snapshot that lacks them');
  addRemakeOptions(command, 'rewritten', 'remove the old snapshots, when the new ones are there');
  run(command, shell, async (context, args, options) => {
    const { rewriteCommand } = await import('./command.js');
    return rewriteCommand(context, args, options as Parameters<typeof rewriteCommand>[2]);
  });
}
