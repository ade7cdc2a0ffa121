import type { Command } from 'commander';
import { run, type Session } from '../../program/shell.js';
import { collect } from '../../snapshots/snapshot-selection.js';

const DESCRIPTION = `Make a snapshot of files and directories. varve stores only data that the repository does not have, and reads only files that changed since the
parent snapshot (the last one of this host and these paths). If some files cannot be read, varve names them, makes the snapshot without
them, and ends with exit code 3.`;

const EXAMPLES = `
Patterns: *, ? and [a-z] match within a name, ** matches any number of directories; a pattern that starts with / matches
from the root; !PATTERN includes again what earlier patterns of the same option exclude. --dry-run -vv shows for each path
whether the backup takes it, and which rule excludes it.

File systems that the kernel makes up (/proc, /sys, /dev, /run and the like) are excluded where they are mounted below a
given path.

Examples:
  varve backup ~ --exclude-caches --exclude '*.tmp'
  cd ~ && varve backup Documents             stored as /Documents
  varve backup / --one-file-system --exclude-file /etc/varve-excludes --tag daily
  varve backup --stdin-filename shop.sql --stdin-from-command -- pg_dump shop

Exit codes: 0 everything is stored; 1 failed, no snapshot; 3 a snapshot without what could not be read, or with a path that lost
everything (such a snapshot is marked as suspect, and forget keeps good ones beside it); 10 no repository; 12 wrong password;
130 interrupted.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).argument('[paths...]', 'files and directories').addHelpText('after', EXAMPLES);
  command
    .option('--tag <tags>', 'add these comma-separated tags to the snapshot (repeatable)', collect)
    .option('-H, --host <host>', "host of the snapshot ($VARVE_HOST; default: this machine's name)")
    .option('--time <time>', 'time of the snapshot: "2006-01-02 15:04:05" or RFC 3339 (default: now)')
    .option('-n, --dry-run', 'store nothing, show what would be stored')
    .option(
      '--max-shrink <percent>',
      'mark the snapshot as suspect and end with exit code 3 when a path lost more than this share of its files or bytes; 100% never does (default: only when a path lost everything)',
    )
    .option('--skip-if-unchanged', 'make no snapshot if nothing changed since the parent');
  defineFilters(command);
  defineSources(command);
  defineComparison(command);
  command
    .option(
      '--read-concurrency <n>',
      'number of threads, which is the number of files read at a time ($VARVE_READ_CONCURRENCY; default: one per core)',
    )
    .option('--no-scan', 'do not count files ahead during a first backup; progress then shows no total');
  run(command, session, async (context, args, options) => {
    const { backupCommand } = await import('./command.js');
    return backupCommand(context, args, options as Parameters<typeof backupCommand>[2]);
  });
}

function defineFilters(command: Command): void {
  command
    .option('-e, --exclude <pattern>', 'exclude what matches this pattern (repeatable)', collect)
    .option('--iexclude <pattern>', 'the same, ignoring case (repeatable)', collect)
    .option('--exclude-file <file>', 'exclude what matches a pattern in this file (repeatable)', collect)
    .option('--iexclude-file <file>', 'the same, ignoring case (repeatable)', collect)
    .option(
      '--exclude-regex <regex>',
      'exclude paths that contain a match of this JavaScript regular expression (repeatable)',
      collect,
    )
    .option('--exclude-caches', 'exclude directories that contain a CACHEDIR.TAG')
    .option('--exclude-if-present <name[:header]>', 'exclude directories that contain this file (repeatable)', collect)
    .option('--exclude-larger-than <size>', 'exclude larger files: 10M, 2G')
    .option('-x, --one-file-system', 'stay on the file systems of the given paths');
}

function defineSources(command: Command): void {
  command
    .option(
      '--files-from <file>',
      'back up what matches a glob in this file; - is standard input (repeatable)',
      collect,
    )
    .option('--files-from-verbatim <file>', 'back up the paths in this file, one per line (repeatable)', collect)
    .option(
      '--files-from-raw <file>',
      'back up the paths in this file, each ended by a zero byte (repeatable)',
      collect,
    )
    .option('--stdin', 'back up standard input as a file')
    .option('--stdin-filename <name>', 'name of that file', 'stdin')
    .option('--stdin-from-command', 'back up the output of the command after --; no snapshot if it fails');
}

function defineComparison(command: Command): void {
  command
    .option('--parent <id>', 'parent snapshot (default: the last one of this host and these paths)')
    .option('-f, --force', 'read all files, without a parent')
    .option(
      '-g, --group-by <what>',
      'what the parent must have in common with this backup: host, paths, tags',
      'host,paths',
    )
    .option('--ignore-inode', 'do not read a file again only because its inode or ctime changed ($VARVE_IGNORE_INODE)')
    .option('--ignore-ctime', 'do not read a file again only because its ctime changed ($VARVE_IGNORE_CTIME)')
    .option('--with-atime', 'store access times too');
}
