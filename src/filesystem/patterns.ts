// Lists of patterns with restic's semantics, on bytes.
// glob-syntax.ts has the components; filter.ts the rules of a backup.
import type { Buffer } from 'node:buffer';
import { posix } from 'node:path';
import { VarveError } from '../errors/errors.js';
import { lowerCaseBytes, textToBytes } from './byte-text.js';
import { BadGlob, componentSource, GroupNames } from './glob-syntax.js';

/** Patterns as the user gave them: what crosses threads, to be compiled in each. */
export interface PatternSpec {
  readonly patterns: readonly string[];
  readonly insensitive: boolean;
}

/** What a list of patterns says about one path. */
export interface PatternMatch {
  readonly matched: boolean;
  /** Whether something below the path may match; always to be descended into when looking for includes. */
  readonly childMayMatch: boolean;
  /** The pattern that decided for a match. */
  readonly rule?: string;
}

const NOTHING: PatternMatch = { matched: false, childMayMatch: false };
const CHILD_ONLY: PatternMatch = { matched: false, childMayMatch: true };

/**
 * Compiles restic's pattern language. Each component is a glob of Go's `filepath.Match` (`*`, `?`, `[a-z]`, `[^a]`,
 * backslash), `**` stands for any number of components, none included. A pattern that starts with a slash is matched
 * from the root, another one at any run of consecutive components. What matches a directory matches everything below
 * it. A pattern after `!` takes back what earlier ones matched. Empty patterns are ignored, as is a trailing slash.
 *
 * Patterns match bytes: `?` and classes take one UTF-8 character, or one byte that belongs to none and
 * counts as U+FFFD. Case-insensitive lists compare in lower case.
 */
export function parsePatterns(patterns: readonly string[], options: { insensitive?: boolean } = {}): PatternList {
  return new PatternList({ patterns, insensitive: options.insensitive ?? false });
}

/** The pattern after `!` that matches every path, after patterns that it so makes useless; undefined when there is none. */
export function patternThatTakesBackAll(patterns: readonly string[]): string | undefined {
  const parsed = patterns.filter((text) => text !== '').map((text) => parsePattern(text, false));
  const useless = parsed.findLastIndex(({ negated, parts }) => negated && parts.every((part) => /^\*+$/.test(part)));
  const before = parsed.slice(0, Math.max(0, useless));
  return before.some(({ negated }) => !negated) ? parsed[useless]?.text : undefined;
}

/** A compiled list of patterns; see `parsePatterns`. */
export class PatternList {
  readonly empty: boolean;
  readonly #insensitive: boolean;
  readonly #patterns: readonly Pattern[];
  readonly #groups: readonly Group[];

  constructor(spec: PatternSpec) {
    this.#insensitive = spec.insensitive;
    this.#patterns = spec.patterns.filter((text) => text !== '').map((text) => parsePattern(text, spec.insensitive));
    this.#groups = groupBySign(this.#patterns).map(compileGroup);
    this.empty = this.#patterns.length === 0;
  }

  /** The pattern because of which the path, or a directory above it, matches; undefined when none does. */
  matchingRule(path: Buffer): string | undefined {
    if (this.empty) return undefined;
    const text = this.#text(path);
    let matched = false;
    for (const group of this.#groups) {
      if (matched === group.negated && matchesGroup(group, text)) matched = !matched;
    }
    return matched ? this.#decidingRule(text) : undefined;
  }

  /** As restic's `filter.ListWithChild`. A list without patterns matches nothing. */
  match(path: Buffer): PatternMatch {
    if (this.empty) return NOTHING;
    const text = this.#text(path);
    let matched = false;
    let childMayMatch = false;
    for (const group of this.#groups) {
      if (group.negated) {
        if (!(matched || childMayMatch) || !matchesGroup(group, text)) continue;
        matched = false;
        childMayMatch = false;
      } else {
        matched ||= matchesGroup(group, text);
        childMayMatch ||= group.child === undefined || group.child.test(text);
      }
    }
    if (!matched) return childMayMatch ? CHILD_ONLY : NOTHING;
    return { matched, childMayMatch, rule: this.#decidingRule(text) };
  }

  #text(path: Buffer): string {
    return this.#insensitive ? lowerCaseBytes(path) : path.toString('latin1');
  }

  #decidingRule(text: string): string {
    let rule = '';
    for (const pattern of this.#patterns) {
      if ((rule === '') === pattern.negated) continue;
      pattern.single ??= compileGroup([pattern]);
      if (matchesGroup(pattern.single, text)) rule = pattern.negated ? '' : pattern.text;
    }
    return rule;
  }
}

interface Pattern {
  readonly text: string;
  readonly negated: boolean;
  readonly rooted: boolean;
  /** Components, in characters of one byte each. */
  readonly parts: readonly string[];
  /** Only this pattern, compiled when it is first needed. */
  single?: Group;
}

/** Neighbouring patterns of the same sign, compiled together. */
interface Group {
  readonly negated: boolean;
  readonly rooted: RegExp | undefined;
  readonly relative: RegExp | undefined;
  /** Matches what lies on the way to a rooted pattern's matches; undefined when any path does. */
  readonly child: RegExp | undefined;
}

function parsePattern(text: string, insensitive: boolean): Pattern {
  const negated = text.startsWith('!');
  const bytes = textToBytes(negated ? text.slice(1) : text);
  if (bytes.includes(0)) throw new VarveError('usage', `pattern '${text}': a path cannot contain a NUL byte`);
  const clean = posix.normalize(insensitive ? lowerCaseBytes(bytes) : bytes.toString('latin1'));
  const parts = clean.split('/').filter((part) => part !== '');
  try {
    for (const part of parts) componentSource(part, new GroupNames());
  } catch (error) {
    if (!(error instanceof BadGlob)) throw error;
    throw new VarveError('usage', `pattern '${text}' is malformed: ${error.message}`);
  }
  return { text, negated, rooted: clean.startsWith('/'), parts };
}

function groupBySign(patterns: readonly Pattern[]): Pattern[][] {
  const groups: Pattern[][] = [];
  for (const pattern of patterns) {
    const last = groups[groups.length - 1];
    if (last?.[0]?.negated === pattern.negated) last.push(pattern);
    else groups.push([pattern]);
  }
  return groups;
}

function compileGroup(patterns: readonly Pattern[]): Group {
  const names = new GroupNames();
  const rooted = patterns.filter((pattern) => pattern.rooted);
  const relative = patterns.filter((pattern) => !pattern.rooted);
  const sources = (list: readonly Pattern[]) => alternatives(list, names).join('|');
  return {
    negated: patterns[0]?.negated ?? false,
    rooted: rooted.length === 0 ? undefined : new RegExp(`^/(?:${sources(rooted)})`),
    relative: relative.length === 0 ? undefined : new RegExp(`(?:^|/)(?:${sources(relative)})`),
    child:
      relative.length > 0 ? undefined : new RegExp(`^/(?:$|${rooted.map((one) => waySource(one, names)).join('|')})`),
  };
}

/** Endings (`*.tmp`), often many, share one star: one after the other they would each walk through every name. */
function alternatives(patterns: readonly Pattern[], names: GroupNames): string[] {
  const isEnding = (pattern: Pattern) =>
    pattern.parts.length === 1 && /^\*[^*?[\]\\]+$/.test(pattern.parts[0] as string);
  const endings = patterns.filter(isEnding).map(({ parts }) => componentSource((parts[0] as string).slice(1), names));
  const others = patterns.filter((pattern) => !isEnding(pattern)).map((pattern) => patternSource(pattern, names));
  return endings.length === 0 ? others : [...others, `[^/]*(?:${endings.join('|')})(?:/|$)`];
}

function matchesGroup(group: Group, text: string): boolean {
  return group.rooted?.test(text) === true || group.relative?.test(text) === true;
}

/** A match may end before the path does: `**` at the end, or at the start of what floats anyway, adds nothing. */
function patternSource(pattern: Pattern, names: GroupNames): string {
  const segments = splitAtDoubleStars(pattern.parts);
  if (segments.length > 1 && !pattern.rooted && segments[0]?.length === 0) segments.shift();
  const trailing = segments.length > 1 && segments[segments.length - 1]?.length === 0;
  if (trailing) segments.pop();
  if (segments.every((segment) => segment.length === 0)) return pattern.rooted ? '' : '[^/]';
  const last = segments.length - 1;
  const sources = segments.map((segment, index) => {
    const source = segment.map((part) => componentSource(part, names)).join('/');
    if (index === last) return index === 0 ? source : `(?:[^/]+/)*?${source}`;
    if (index === 0) return source === '' ? '' : `${source}/`;
    return names.atomic(`(?:[^/]+/)*?${source}/`);
  });
  return `${sources.join('')}(?:/|$)`;
}

function splitAtDoubleStars(parts: readonly string[]): string[][] {
  const segments: string[][] = [[]];
  parts.forEach((part, index) => {
    if (part !== '**') segments[segments.length - 1]?.push(part);
    else if (parts[index - 1] !== '**') segments.push([]);
  });
  return segments;
}

/** The directories above a rooted pattern's matches, as far as its first `**`, and all that lies below a match. */
function waySource(pattern: Pattern, names: GroupNames): string {
  const fixed = pattern.parts.includes('**') ? pattern.parts.slice(0, pattern.parts.indexOf('**')) : pattern.parts;
  return fixed.reduceRight((rest, part) => `${componentSource(part, names)}(?:$|/${rest})`, '');
}
