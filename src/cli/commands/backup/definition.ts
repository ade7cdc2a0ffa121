import type { Command } from 'commander';
import { run, type Shell } from '../../program/shell.js';
import { collect } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Make a snapshot of files and directories. Data that the repository has already are not stored again. Files that have not
changed since the parent snapshot (the last one of this host and these paths) are not read. When some files cannot be read, a message names
them, the snapshot lacks them, and the exit code is 3.`;

const EXAMPLES = `
Examples:
  varve backup ~ --exclude-caches --exclude '*.tmp'
  cd ~ && varve backup Documents             stored as /Documents
  varve backup / --one-file-system --exclude-file /etc/varve-excludes --tag daily
  varve backup --stdin-filename shop.sql --stdin-from-command -- pg_dump shop

Patterns: *, ?, [a-z] match within a name, ** any number of directories; one that starts with / is
matched from the root; ! takes back what a pattern before it, of the same option, leaves out. With
--dry-run -vv it is told of every path whether it would be taken, and which rule leaves it out.

What the system makes up as it runs (/proc, /sys, /dev, /run, and such file systems elsewhere) is
left out where it is mounted below a path given.

Exit codes: 0 all is stored; 1 failed, no snapshot; 3 a snapshot without what could not be read, or
of a path that has lost all that it held: such a snapshot is marked, and forget keeps good ones beside it;
10 no repository; 12 wrong password; 130 interrupted.`;

export function define(command: Command, shell: Shell): void {
  command.description(DESCRIPTION).argument('[paths...]', 'files and directories').addHelpText('after', EXAMPLES);
  command
    .option('--tag <tags>', 'give the snapshot these tags, joined by commas (repeatable)', collect)
    .option('-H, --host <host>', "the snapshot's host ($VARVE_HOST; default: this machine's name)")
    .option('--time <time>', 'the time of the snapshot: "2006-01-02 15:04:05" or RFC 3339 (default: now)')
    .option('-n, --dry-run', 'read everything, store nothing')
    .option(
      '--max-shrink <percent>',
      'how much of its files or bytes each path may lose before the snapshot is marked as suspect and the exit code is 3; 100% allows all (default: anything but all)',
    )
    .option('--skip-if-unchanged', 'make no snapshot when nothing has changed since the parent');
  defineFilters(command);
  defineSources(command);
  defineComparison(command);
  command
    .option('--read-concurrency <n>', 'files read at a time: threads ($VARVE_READ_CONCURRENCY; default: one a core)')
    .option('--no-scan', 'do not count beside a first backup what there is to be read: progress then has no total');
  run(command, shell, async (context, args, options) => {
    const { backupCommand } = await import('./command.js');
    return backupCommand(context, args, options as Parameters<typeof backupCommand>[2]);
  });
}

function defineFilters(command: Command): void {
  command
    .option('-e, --exclude <pattern>', 'leave out what matches (repeatable)', collect)
    .option('--iexclude <pattern>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('--exclude-file <file>', 'leave out what the patterns in this file match (repeatable)', collect)
    .option('--iexclude-file <file>', 'the same without regard to upper and lower case (repeatable)', collect)
    .option('--exclude-regex <regex>', 'leave out paths in which this (JavaScript) is found (repeatable)', collect)
    .option('--exclude-caches', 'leave out directories with a CACHEDIR.TAG')
    .option('--exclude-if-present <name[:header]>', 'leave out directories with such a file (repeatable)', collect)
    .option('--exclude-larger-than <size>', 'leave out larger files: 10M, 2G')
    .option('-x, --one-file-system', 'stay on the file systems of the paths given');
}

function defineSources(command: Command): void {
  command
    .option(
      '--files-from <file>',
      'back up what the globs in this file match; - is standard input (repeatable)',
      collect,
    )
    .option('--files-from-verbatim <file>', 'back up the paths in this file, a line each (repeatable)', collect)
    .option('--files-from-raw <file>', 'back up the paths in this file, a zero byte after each (repeatable)', collect)
    .option('--stdin', 'back up standard input as a file')
    .option('--stdin-filename <name>', 'what that file is called', 'stdin')
    .option('--stdin-from-command', 'back up what the command given after -- prints; no snapshot when it fails');
}

function defineComparison(command: Command): void {
  command
    .option('--parent <id>', 'compare with this snapshot (default: the last of this host and these paths)')
    .option('-f, --force', 'read every file, as if there were no parent')
    .option('-g, --group-by <what>', 'what the parent must have in common: host, paths, tags', 'host,paths')
    .option(
      '--ignore-inode',
      'a file with another inode or ctime is not for that reason a changed one ($VARVE_IGNORE_INODE)',
    )
    .option('--ignore-ctime', 'a file with another ctime is not for that reason a changed one ($VARVE_IGNORE_CTIME)')
    .option('--with-atime', 'record access times too');
}
