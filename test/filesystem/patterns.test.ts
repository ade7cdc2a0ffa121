import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { VarveError } from '../../src/errors/errors.js';
import {
  PatternList,
  type PatternSpec,
  parsePatterns,
  patternThatTakesBackAll,
} from '../../src/filesystem/patterns.js';

const matches = (patterns: string | string[], path: string | Buffer, insensitive = false) =>
  parsePatterns([patterns].flat(), { insensitive }).match(Buffer.from(path)).matched;

/** Pattern, paths that it matches, paths that it does not. */
const TABLE: readonly [pattern: string, yes: string[], no: string[]][] = [
  ['*.go', ['/a.go', '/x/a.go', '/a.go/below', 'a.go', '/.go'], ['/a.gox', '/x/go', '/']],
  ['foo', ['/foo', '/x/foo/y/z', 'foo'], ['/food', '/xfoo', '/x']],
  ['foo/bar', ['/foo/bar', '/x/foo/bar/y'], ['/foo/x/bar', '/foobar', '/bar', '/foo']],
  ['/foo', ['/foo', '/foo/x'], ['/x/foo', 'foo', '/food']],
  ['/foo/*', ['/foo/x', '/foo/x/y'], ['/foo', '/x/foo/y']],
  ['foo/', ['/foo', '/x/foo/y'], ['/food']],
  ['foo//./bar/../baz', ['/foo/baz'], ['/foo/bar/baz']],
  ['/', ['/', '/x/y'], ['x']],
  ['*', ['/x', 'x'], ['/']],
  ['**', ['/x', 'x/y'], []],
  ['/**', ['/x', '/x/y'], ['x']],
  ['foo/**/bar', ['/foo/bar', '/foo/x/bar', '/d/foo/x/y/bar/z'], ['/foo/xbar', '/foo', '/foobar', '/bar']],
  ['/foo/**', ['/foo', '/foo/x/y'], ['/x/foo', '/food']],
  ['/**/foo', ['/foo', '/x/y/foo/z'], ['/xfoo', 'foo']],
  ['/a/**/b/**/c', ['/a/b/c', '/a/x/b/c', '/a/b/x/c/d', '/a/c/b/b/c'], ['/a/c/b', '/a/b', '/x/a/b/c']],
  ['a/**/**/b', ['/a/b', '/a/x/y/b'], ['/a/xb']],
  ['a**b', ['/ab', '/axxb'], ['/a/b', '/abx']],
  ['?', ['/x', '/é', '/日', '/😀', '/x/yy'], ['/xy', '/']],
  ['?*', ['/x', '/xy'], []],
  ['a*b*c', ['/abc', '/axxbxxc', '/abbcc'], ['/acb', '/a/b/c', '/abcx']],
  ['[a-c]x', ['/ax', '/cx'], ['/dx', '/Ax', '/x', '/-x']],
  ['[^a-c]x', ['/dx', '/éx', '/-x'], ['/ax', '/x']],
  ['[é-ü日]', ['/é', '/ê', '/日'], ['/e', '/ý', '/月']],
  ['[^é]', ['/e', '/è', '/日'], ['/é']],
  ['[\\]\\-\\^x]', ['/]', '/-', '/^', '/x'], ['/\\', '/y']],
  ['[!a]', ['/!', '/a'], ['/b']],
  ['[z-a]', [], ['/a', '/m', '/z']],
  ['\\*\\[\\?\\\\', ['/*[?\\'], ['/a[b\\']],
  ['a]', ['/a]'], ['/a']],
  ['.', [], ['/.x', '/x', '/']],
  ['$^(a|b)+{2}.', ['/$^(a|b)+{2}.'], ['/aa.']],
];

describe('patterns', () => {
  for (const [pattern, yes, no] of TABLE)
    it(`'${pattern}'`, () => {
      for (const path of yes) assert.equal(matches(pattern, path), true, `${path} should match`);
      for (const path of no) assert.equal(matches(pattern, path), false, `${path} should not match`);
    });

  it('takes bytes that are not UTF-8 as one character each', () => {
    const name = (...bytes: number[]) => Buffer.from([0x2f, ...bytes]);
    assert.equal(matches('?', name(0xff)), true);
    assert.equal(matches('??', name(0xff)), false);
    assert.equal(matches('??', name(0xc3, 0x28)), true);
    assert.equal(matches('???', name(0xed, 0xa0, 0x80)), true);
    assert.equal(matches('a*b', name(0x61, 0x80, 0xfe, 0x62)), true);
    assert.equal(matches('[^a]', name(0x80)), true);
    assert.equal(matches('[a-z]', name(0x80)), false);
    assert.equal(matches('\udcff.txt', name(0xff, 0x2e, 0x74, 0x78, 0x74)), true);
    assert.equal(matches('\udcff.txt', name(0xfe, 0x2e, 0x74, 0x78, 0x74)), false);
  });

  it('lets later patterns take back what earlier ones matched', () => {
    const list = ['/home/*', '!/home/me', '/home/me/tmp', '!*.keep'];
    assert.equal(matches(list, '/home/you'), true);
    assert.equal(matches(list, '/home/me/x'), false);
    assert.equal(matches(list, '/home/me/tmp/x'), true);
    assert.equal(matches(list, '/home/you/a.keep'), false);
    assert.equal(matches(['!a', 'a'], '/a'), true);
    assert.equal(matches(['\\!a'], '/!a'), true);
  });

  it('compares in lower case when asked to', () => {
    assert.equal(matches('*.JPG', '/x.jpg', true), true);
    assert.equal(matches('/Été/[A-C]', '/éTÉ/b', true), true);
    assert.equal(matches('σασ', '/ΣΑΣ', true), true);
    assert.equal(matches('*.JPG', '/x.jpg'), false);
    assert.equal(matches('x?y', Buffer.from([0x2f, 0x58, 0xff, 0x59]), true), true);
  });

  it('names the pattern that decided', () => {
    const list = parsePatterns(['*.o', '!x.o', 'sub/', 'x*'], {});
    const rule = (path: string) => list.matchingRule(Buffer.from(path));
    assert.equal(rule('/y.o'), '*.o');
    assert.equal(rule('/sub/file'), 'sub/');
    assert.equal(rule('/x.o'), 'x*');
    assert.equal(rule('/sub.c'), undefined);
    assert.deepEqual(list.match(Buffer.from('/y.o')), { matched: true, childMayMatch: true, rule: '*.o' });
  });

  it('reports whether a pattern may match below a directory', () => {
    const below = (patterns: string[], path: string) => parsePatterns(patterns).match(Buffer.from(path)).childMayMatch;
    assert.deepEqual(
      ['/', '/a', '/a/b', '/a/b/c', '/a/b/c/d'].map((path) => below(['/a/b/c'], path)),
      Array(5).fill(true),
    );
    assert.deepEqual(
      ['/b', '/a/c', '/a/b/d', '/ab'].map((path) => below(['/a/b/c'], path)),
      Array(4).fill(false),
    );
    assert.deepEqual(
      ['/a', '/a/x', '/a/x/y', '/b'].map((path) => below(['/a/**/c'], path)),
      [true, true, true, false],
    );
    assert.deepEqual(
      ['/a1', '/b', '/a1/x'].map((path) => below(['/a*/[xy]/z'], path)),
      [true, false, true],
    );
    assert.deepEqual(
      ['/x', '/x/y'].map((path) => below(['c', '/a'], path)),
      [true, true],
    );
    assert.equal(below(['c', '!/x'], '/x/y'), false);
    assert.equal(below([], '/x'), false);
  });

  it('refuses malformed patterns and names them', () => {
    for (const bad of ['[', 'a/[b', '[]', '[]a]', '[a-]', '[-a]', '[a', 'x\\', '[\\', 'a*[', '![^]', 'nul\0'])
      assert.throws(
        () => parsePatterns(['fine', bad]),
        (error) => error instanceof VarveError && error.code === 'usage' && error.message.includes(`'${bad}'`),
        bad,
      );
  });

  it('finds the pattern that includes everything again when there is one', () => {
    for (const [expected, ...patterns] of [
      ['!*/', '*.tmp', '!*/'],
      ['!/**', '/a', '', '!/**', 'b'],
      [undefined, '!*/', '*.tmp'],
      [undefined, '*.tmp', '!*.txt', '!/home/*'],
      [undefined],
    ])
      assert.equal(patternThatTakesBackAll(patterns as string[]), expected);
  });

  it('compiles from a structured clone', () => {
    const spec: PatternSpec = { patterns: ['*.o', '!a.o'], insensitive: true };
    assert.equal(new PatternList(structuredClone(spec)).match(Buffer.from('/B.O')).matched, true);
  });

  it('has classes of any characters', () => {
    const edges = [
      0x30, 0x7f, 0x80, 0xbf, 0x7ff, 0x800, 0xfff, 0xd7ff, 0xe000, 0xfffc, 0xfffe, 0xffff, 0x10000, 0x3ffff, 0x10ffff,
    ];
    const far = fc.integer({ min: 0x30, max: 0x10ffff });
    const code = fc.oneof(
      far,
      fc.tuple(fc.constantFrom(...edges), fc.integer({ min: -2, max: 2 })).map(([edge, by]) => edge + by),
    );
    const valid = code.filter(
      (one) =>
        one >= 0x30 && one <= 0x10ffff && (one < 0xd800 || one > 0xdfff) && !/[\\\]^-]/.test(String.fromCodePoint(one)),
    );
    const range = fc.tuple(valid, valid).map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const);
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 3 }), fc.boolean(), valid, (ranges, negated, sought) => {
        const source = ranges
          .map(([low, high]) => `${String.fromCodePoint(low)}-${String.fromCodePoint(high)}`)
          .join('');
        const list = parsePatterns([`[${negated ? '^' : ''}${source}]`]);
        const around = ranges
          .flatMap(([low, high]) => [low - 1, low, high, high + 1])
          .filter((one) => one > 0x2f && one < 0x110000 && (one < 0xd800 || one > 0xdfff));
        for (const one of [sought, ...around]) {
          const inside = ranges.some(([low, high]) => low <= one && one <= high);
          assert.equal(list.match(Buffer.from(`/${String.fromCodePoint(one)}`)).matched, inside !== negated);
        }
        const invalid = ranges.some(([low, high]) => low <= 0xfffd && 0xfffd <= high);
        assert.equal(
          list.match(Buffer.from([0x2f, 0xff])).matched,
          invalid !== negated,
          'a byte that is not UTF-8 is U+FFFD, as in Go',
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('answers in time whatever the pattern', () => {
    const list = parsePatterns([`${'*a'.repeat(40)}*b`, `/${'**/a/'.repeat(12)}b`, '*'.repeat(5000)]);
    const start = performance.now();
    list.match(Buffer.from(`/${'a'.repeat(255)}`));
    list.match(Buffer.from('/a'.repeat(1000)));
    assert.ok(performance.now() - start < 2000);
  });

  it('agrees with a plain reading of the rules', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 3 });
    const glob = fc.string({
      unit: fc.constantFrom('a', 'b', 'é', '*', '?', '[ab]', '[^a]'),
      minLength: 1,
      maxLength: 4,
    });
    const pattern = fc.tuple(fc.boolean(), fc.array(fc.oneof(glob, fc.constant('**')), { minLength: 1, maxLength: 4 }));
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 4 }),
        fc.array(name, { minLength: 1, maxLength: 5 }),
        (patterns, names) => {
          const list = parsePatterns(patterns.map(([rooted, parts]) => `${rooted ? '/' : ''}${parts.join('/')}`));
          const expected = patterns.some(([rooted, parts]) =>
            rooted ? plain(parts, names) : names.some((_, start) => plain(parts, names.slice(start))),
          );
          assert.equal(list.match(Buffer.from(`/${names.join('/')}`)).matched, expected);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function plain(parts: readonly string[], names: readonly string[]): boolean {
  const [part, ...rest] = parts;
  if (part === undefined) return true;
  if (part === '**') return plain(rest, names) || (names.length > 0 && plain(parts, names.slice(1)));
  return (
    names[0] !== undefined && plainName(part.match(/\[.*?\]|./gu) ?? [], [...names[0]]) && plain(rest, names.slice(1))
  );
}

function plainName(tokens: readonly string[], characters: readonly string[]): boolean {
  const [token, ...rest] = tokens;
  const [character, ...others] = characters;
  if (token === undefined) return character === undefined;
  if (token === '*') return plainName(rest, characters) || (character !== undefined && plainName(tokens, others));
  if (character === undefined) return false;
  const fits =
    token === '?' ||
    (token === '[ab]' ? 'ab'.includes(character) : token === '[^a]' ? character !== 'a' : token === character);
  return fits && plainName(rest, others);
}
