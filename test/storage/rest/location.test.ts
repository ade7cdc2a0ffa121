import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLocation } from '../../../src/storage/rest/location.js';
import { isVarveError } from '../../errors/expect-error.js';

const parsed = (text: string, environment: Record<string, string> = {}) => parseLocation(text, environment);

test('parseLocation reads server, directory, user and password', () => {
  assert.deepEqual(parsed('https://ann:p%40ss%3A%2F@backup.example:8443/some/folder'), {
    location: 'rest:https://ann:***@backup.example:8443/some/folder',
    server: 'backup.example:8443',
    secure: true,
    address: { host: 'backup.example', port: 8443 },
    base: '/some/folder/',
    credentials: { user: 'ann', password: 'p@ss:/', source: 'the repository’s location' },
  });
});

test('parseLocation uses the port of the scheme by default', () => {
  assert.deepEqual(parsed('http://h').address, { host: 'h', port: 80 });
  assert.deepEqual(parsed('https://h/x/').address, { host: 'h', port: 443 });
  assert.deepEqual(parsed('http://[::1]:8000/').address, { host: '::1', port: 8000 });
  assert.equal(parsed('http://h').base, '/');
});

test('parseLocation reads a socket and a directory', () => {
  const place = parsed('http+unix:///run/rest server.sock:/some/folder/');
  assert.deepEqual(place.address, { socketPath: '/run/rest server.sock' });
  assert.equal(place.base, '/some/folder/');
  assert.equal(place.location, 'rest:http+unix:///run/rest server.sock:/some/folder/');
  const secret = parsed('http+unix://ann:pass@/run/rest.sock');
  assert.equal(secret.location, 'rest:http+unix://ann:***@/run/rest.sock');
  assert.equal(secret.credentials?.password, 'pass');
  assert.equal(secret.base, '/');
});

test('user and password of the location win over the environment', () => {
  const environment = { VARVE_REST_USERNAME: 'eve', VARVE_REST_PASSWORD: 'word' };
  const source = 'VARVE_REST_USERNAME and VARVE_REST_PASSWORD';
  assert.deepEqual(parsed('http://h/', environment).credentials, { user: 'eve', password: 'word', source });
  assert.deepEqual(parsed('http://ann:x@h/', environment).credentials, {
    user: 'ann',
    password: 'x',
    source: 'the repository’s location',
  });
  assert.deepEqual(parsed('http://ann@h/', environment).credentials, {
    user: 'ann',
    password: 'word',
    source: 'the repository’s location and VARVE_REST_PASSWORD',
  });
  assert.equal(parsed('http://h/').credentials, undefined);
  assert.equal(parsed('http://h/', { VARVE_REST_PASSWORD: 'word' }).credentials, undefined);
});

test('parseLocation accepts an @ in the directory', () => {
  assert.equal(parsed('http://h:8000/ann@home/').location, 'rest:http://h:8000/ann@home/');
});

for (const wrong of [
  '',
  'h/folder',
  'ftp://ann:hidden@h/',
  'http:/ann:hidden@h/',
  'http://ann:hid/den@h/',
  'http://ann:1#hidden@h/',
  'http://ann:1?hidden@h/',
  'http://ann:hidden@h:port/',
  'http://ann:hidden@h/?q',
  'http://ann:hidden%zz@h/',
  'http://',
]) {
  test(`"${wrong}" is refused without showing a password`, () => {
    assert.throws(
      () => parsed(wrong),
      (error) => {
        isVarveError('usage', /^repository "rest:/)(error);
        assert.doesNotMatch(String(error), /hid/);
        return true;
      },
    );
  });
}
