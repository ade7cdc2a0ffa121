import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { addRewriteOptions } from '../../snapshots/rewrite-command.js';
import { collect } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Remove files and directories from existing snapshots, or change their host or time. varve writes a new snapshot with the tag rewrite; with --forget
it then removes the old one. The data of the old one stays in the repository until a prune. Needs a manage or full key.`;

const EXAMPLES = `
Patterns work as in \`varve backup\`, on the paths that \`varve ls\` lists. Without ids, rewrite takes all snapshots that
the filters select. It leaves a snapshot alone when nothing would change, or when --include matches nothing in it.

Examples:
  varve rewrite --exclude '*.iso' --dry-run -v
  varve rewrite --exclude /home/anna/secret --forget 1a2b3c4d && varve prune
  varve rewrite --new-host web2 --forget --host web1

Exit codes: 0 done; 1 failed for some or all snapshots; 10 no repository; 12 wrong password; 130 interrupted.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command
    .option('-e, --exclude <pattern>', 'remove what matches this pattern (repeatable)', collect)
    .option('--iexclude <pattern>', 'the same, ignoring case (repeatable)', collect)
    .option('--exclude-file <file>', 'remove what matches a pattern in this file (repeatable)', collect)
    .option('--iexclude-file <file>', 'the same, ignoring case (repeatable)', collect)
    .option('-i, --include <pattern>', 'keep only what matches this pattern (repeatable)', collect)
    .option('--iinclude <pattern>', 'the same, ignoring case (repeatable)', collect)
    .option('--include-file <file>', 'keep only what matches a pattern in this file (repeatable)', collect)
    .option('--iinclude-file <file>', 'the same, ignoring case (repeatable)', collect)
    .option('--new-host <host>', 'set the host of the new snapshots')
    .option('--new-time <time>', 'set the time of the new snapshots: "2006-01-02 15:04:05" or RFC 3339')
    .option('-s, --snapshot-summary', 'add the number and size of its files to each snapshot that lacks them');
  addRewriteOptions(command, 'rewritten', 'remove the old snapshots once the new ones exist');
  run(command, session, async (context, args, options) => {
    const { rewriteCommand } = await import('./command.js');
    return rewriteCommand(context, args, options as Parameters<typeof rewriteCommand>[2]);
  });
}
