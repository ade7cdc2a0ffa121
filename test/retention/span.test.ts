import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSpan, isEmptySpan, parseSpan } from '../../src/retention/span.js';

test('parseSpan reads durations', () => {
  const written: Record<string, string> = {
    '14d': 'within 14d',
    '3D': 'within 3d',
    '1y2m': 'within 1y2m',
    '1y5m7d2h': 'within 1y5m7d2h',
    '2h7d5m1y': 'within 1y5m7d2h',
    '2w': 'within 14d',
    '1W1d': 'within 8d',
    ' 36h ': 'within 36h',
    '0y10d': 'within 10d',
    '2026-01-31': 'since 2026-01-31',
    '2024-02-29': 'since 2024-02-29',
  };
  for (const [text, normal] of Object.entries(written))
    assert.equal(describeSpan(parseSpan(text, '--x')), normal, text);
});

test('parseSpan refuses other text and names the option', () => {
  const wrong = [
    '',
    '14',
    'd',
    '-3d',
    '1.5d',
    '3 days',
    '1d-2h',
    '5s',
    '2023-02-29',
    '2026-13-01',
    '2026-00-10',
    '2026-1-1',
    'today',
  ];
  for (const text of wrong) assert.throws(() => parseSpan(text, '--keep-within'), /^VarveError: --keep-within: /, text);
});

test('isEmptySpan accepts only zeros', () => {
  assert.ok(isEmptySpan(parseSpan('0d0h', '--x')));
  assert.ok(!isEmptySpan(parseSpan('0d1h', '--x')));
  assert.ok(!isEmptySpan(parseSpan('2026-01-31', '--x')));
});
