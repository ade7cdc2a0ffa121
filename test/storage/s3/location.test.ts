import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLocation } from '../../../src/storage/s3/location.js';
import { readOptions } from '../../../src/storage/s3/options.js';
import { isVarveError } from '../../errors/expect-error.js';

test('parseLocation accepts restic’s forms and a plain bucket', () => {
  const places: Readonly<Record<string, readonly [string | undefined, string, string]>> = {
    'https://host.example:9000/bucket/a/b': ['https://host.example:9000', 'bucket', 'a/b/'],
    'http://localhost/bucket': ['http://localhost', 'bucket', ''],
    'http://[::1]:9000/bucket/': ['http://[::1]:9000', 'bucket', ''],
    'host.example/bucket/a//b/': ['https://host.example', 'bucket', 'a/b/'],
    'localhost:9000/bucket/a': ['https://localhost:9000', 'bucket', 'a/'],
    '//host.example/bucket/a': ['https://host.example', 'bucket', 'a/'],
    '//bucket/a': [undefined, 'bucket', 'a/'],
    's3.amazonaws.com/bucket/a': [undefined, 'bucket', 'a/'],
    'https://s3.amazonaws.com/bucket': [undefined, 'bucket', ''],
    'bucket/a/b': [undefined, 'bucket', 'a/b/'],
    bucket: [undefined, 'bucket', ''],
    'bucket/two words/ä': [undefined, 'bucket', 'two words/ä/'],
    'bucket/two%20words': [undefined, 'bucket', 'two words/'],
  };
  for (const [place, [endpoint, bucket, prefix]] of Object.entries(places)) {
    const parsed = parseLocation(place);
    assert.deepEqual([parsed.endpoint, parsed.bucket, parsed.prefix], [endpoint, bucket, prefix], place);
  }
});

test('parseLocation takes the region from the server’s name', () => {
  const regions: Readonly<Record<string, string | undefined>> = {
    's3.eu-central-1.amazonaws.com/b': 'eu-central-1',
    's3-eu-west-1.amazonaws.com/b': 'eu-west-1',
    's3.dualstack.eu-west-1.amazonaws.com/b': 'eu-west-1',
    's3.us-west-004.backblazeb2.com/b': 'us-west-004',
    's3.eu-central-2.wasabisys.com/b': 'eu-central-2',
    's3.example.com/b': undefined,
    'b/a': undefined,
  };
  for (const [place, region] of Object.entries(regions)) assert.equal(parseLocation(place).region, region, place);
});

test('an invalid location is refused without showing its keys', () => {
  for (const place of [
    '',
    '/',
    'https://host.example',
    'host.example/',
    'https://',
    'bucket/a?b',
    'bucket/a#b',
    'bucket/%zz',
  ])
    assert.throws(() => parseLocation(place), isVarveError('usage', /s3:.*BUCKET/), place);
  for (const place of ['https://key:secret@host.example/b', 'key:secret@host.example/b', 'http://secret@localhost/b']) {
    assert.throws(
      () => parseLocation(place),
      (error: Error) => {
        isVarveError('usage', /AWS_SECRET_ACCESS_KEY/)(error);
        assert.doesNotMatch(error.message, /secret@|:secret/);
        return true;
      },
    );
  }
});

const options = (all: Record<string, string>) => readOptions(new Map(Object.entries(all)));

test('readOptions parses all options', () => {
  const read = options({
    's3.storage-class': 'standard_ia',
    's3.bucket-lookup': 'dns',
    'sftp.x': 'y',
  });
  assert.equal(read.lockMode, 'COMPLIANCE');
  assert.equal(read.storageClass, 'STANDARD_IA');
  assert.equal(read.bucketLookup, 'dns');
  assert.equal(options({ 's3.connections': '20' }).connections, 20);
  assert.equal(options({ 's3.object-lock-mode': 'governance' }).lockMode, 'GOVERNANCE');
  assert.equal(options({ 's3.versions-at': '2026-01-31T12:00:00Z' }).versionsAt?.getTime(), Date.UTC(2026, 0, 31, 12));
  assert.equal(options({ 's3.versions-at': '2026-01-31' }).versionsAt?.getTime(), new Date(2026, 0, 31).getTime());
});

test('readOptions refuses invalid values and names the option', () => {
  const wrong: Readonly<Record<string, string>> = {
    'object-lock-mode': 'strict',
    'bucket-lookup': 'name',
    'list-objects-v1': 'yes',
    'versions-at': 'yesterday',
    'storage-class': '',
    connections: '0',
    colour: 'red',
  };
  for (const [name, value] of Object.entries(wrong))
    assert.throws(() => options({ [`s3.${name}`]: value }), isVarveError('usage', new RegExp(`s3\\.${name}`)), name);
});
