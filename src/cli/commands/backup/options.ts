// Turns the options of `backup` into filters, sources and limits.
// definition.ts declares the options; command.ts uses the result.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../../../errors/errors.js';
import {
  readFilesFrom,
  readFilesFromRaw,
  readFilesFromVerbatim,
  readPatternFile,
} from '../../../filesystem/files-from.js';
import { type FilterSpec, parseRegex, parseSize } from '../../../filesystem/filter.js';
import { parsePatterns, patternThatTakesBackAll } from '../../../filesystem/patterns.js';
import { pathBytes } from '../../program/arguments.js';
import type { Context } from '../../program/shell.js';
import { requireWorkingDirectory } from '../../repository/working-directory.js';
import { refuseClosedInput } from '../../terminal/standard-input.js';

/** The options with patterns to exclude. */
export interface PatternFlags {
  readonly exclude?: readonly string[];
  readonly iexclude?: readonly string[];
  readonly excludeFile?: readonly string[];
  readonly iexcludeFile?: readonly string[];
}

/** The options of `backup` as given. */
export interface BackupFlags extends PatternFlags {
  readonly tag?: readonly string[];
  readonly host?: string;
  readonly time?: string;
  readonly dryRun?: boolean;
  readonly skipIfUnchanged?: boolean;
  readonly excludeRegex?: readonly string[];
  readonly excludeCaches?: boolean;
  readonly excludeIfPresent?: readonly string[];
  readonly excludeLargerThan?: string;
  readonly oneFileSystem?: boolean;
  readonly filesFrom?: readonly string[];
  readonly filesFromVerbatim?: readonly string[];
  readonly filesFromRaw?: readonly string[];
  readonly stdin?: boolean;
  readonly stdinFilename: string;
  readonly stdinFromCommand?: boolean;
  readonly parent?: string;
  readonly force?: boolean;
  readonly groupBy: string;
  readonly ignoreInode?: boolean;
  readonly ignoreCtime?: boolean;
  readonly withAtime?: boolean;
  readonly readConcurrency?: string;
  readonly scan: boolean;
  readonly maxShrink?: string;
}

/** @throws VarveError `usage` for a malformed pattern, or a file that cannot be read */
export function patternsFrom(
  context: Context,
  flags: PatternFlags,
  kind: 'exclude' | 'include' = 'exclude',
): Pick<FilterSpec, 'excludes' | 'iexcludes'> {
  const warn = (message: string): void => context.output.warn(message);
  const fromFiles = (files: readonly string[] = [], option: string): string[] =>
    files.flatMap((file) => readPatternFile(file, context.environment, warn, option));
  const excludes = [...(flags.exclude ?? []), ...fromFiles(flags.excludeFile, `--${kind}-file`)];
  const iexcludes = [...(flags.iexclude ?? []), ...fromFiles(flags.iexcludeFile, `--i${kind}-file`)];
  // Parse here, so that a malformed pattern is one error and not one in each thread.
  parsePatterns(excludes);
  parsePatterns(iexcludes, { insensitive: true });
  if (kind === 'exclude') for (const patterns of [excludes, iexcludes]) warnOfTakingBackAll(patterns, warn);
  return { excludes, iexcludes };
}

function warnOfTakingBackAll(patterns: readonly string[], warn: (message: string) => void): void {
  const pattern = patternThatTakesBackAll(patterns);
  if (pattern !== undefined) warn(`the pattern '${pattern}' includes again everything that earlier patterns exclude`);
}

export function filterFrom(context: Context, flags: BackupFlags): FilterSpec {
  const patterns = patternsFrom(context, flags);
  const excludeRegexes = flags.excludeRegex ?? [];
  for (const each of excludeRegexes) parseRegex(each);
  return {
    ...patterns,
    excludeRegexes,
    excludeCaches: flags.excludeCaches ?? false,
    excludeIfPresent: flags.excludeIfPresent ?? [],
    ...(flags.excludeLargerThan !== undefined && { excludeLargerThan: parseSize(flags.excludeLargerThan) }),
    oneFileSystem: flags.oneFileSystem ?? false,
  };
}

/** The paths from arguments and files. */
export function sourcesFrom(context: Context, args: readonly string[], flags: BackupFlags): Buffer[] {
  const warn = (message: string): void => context.output.warn(message);
  for (const [option, files = []] of listOptions(flags)) if (files.includes('-')) refuseClosedInput(option);
  const sources = [
    ...(flags.filesFrom ?? []).flatMap((file) => readFilesFrom(file, warn)),
    ...(flags.filesFromVerbatim ?? []).flatMap((file) => readFilesFromVerbatim(file)),
    ...(flags.filesFromRaw ?? []).flatMap((file) => readFilesFromRaw(file)),
    ...args.map(pathBytes),
  ];
  if (sources.length === 0)
    throw new VarveError('usage', 'nothing to back up: name files or directories, or use --files-from or --stdin');
  for (const each of sources) requireWorkingDirectory(each.toString());
  return sources;
}

function listOptions({ filesFrom, filesFromVerbatim, filesFromRaw }: BackupFlags) {
  return [
    ['--files-from', filesFrom],
    ['--files-from-verbatim', filesFromVerbatim],
    ['--files-from-raw', filesFromRaw],
  ] as const;
}

/** Percent. */
export function maxShrinkFrom({ maxShrink }: BackupFlags): number | undefined {
  if (maxShrink === undefined) return undefined;
  const [, digits] = /^(\d{1,3}(?:\.\d+)?)%?$/.exec(maxShrink) ?? [];
  if (digits !== undefined && Number(digits) <= 100) return Number(digits);
  throw new VarveError('usage', `--max-shrink: "${maxShrink}" is not a percentage from 0% to 100%`);
}

export function threadsFrom({ environment }: Context, flags: BackupFlags): number | undefined {
  const text = flags.readConcurrency ?? (environment.VARVE_READ_CONCURRENCY || undefined);
  if (text === undefined) return undefined;
  if (/^\d{1,3}$/.test(text) && Number(text) > 0) return Number(text);
  throw new VarveError('usage', `--read-concurrency: "${text}" is not a number from 1 to 999`);
}

export function refuseContradictions(args: readonly string[], flags: BackupFlags): void {
  const lists = [flags.filesFrom, flags.filesFromVerbatim, flags.filesFromRaw];
  const stream = flags.stdin === true || flags.stdinFromCommand === true;
  if (flags.stdin === true && flags.stdinFromCommand === true)
    throw new VarveError('usage', '--stdin and --stdin-from-command exclude each other');
  if (stream && lists.some((list) => list !== undefined))
    throw new VarveError('usage', '--files-from cannot be used with --stdin');
  if (flags.stdin === true && args.length > 0) throw new VarveError('usage', '--stdin takes no paths');
  if (flags.stdinFromCommand === true && args.length === 0) {
    throw new VarveError(
      'usage',
      '--stdin-from-command needs a command: varve backup --stdin-from-command -- pg_dump shop',
    );
  }
}
