import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChildKind, childEnvironment } from '../../../src/storage/transport/child-environment.js';

const KINDS: readonly ChildKind[] = ['ssh', 'rclone', 'password-command', 'source-command', 'system'];
const SECRETS = {
  VARVE_PASSWORD: 'secret',
  VARVE_PASSWORD_COMMAND: 'echo secret',
  VARVE_REST_PASSWORD: 'secret',
  VARVE_REPOSITORY: 'rest:https://anna:secret@host/repo',
  VARVE_FROM_PASSWORD: 'secret',
  VARVE_FROM_PASSWORD_COMMAND: 'echo secret',
  VARVE_FROM_REST_PASSWORD: 'secret',
  VARVE_FROM_REPOSITORY: 'rest:https://anna:secret@other/repo',
  VARVE_FROM_AWS_ACCESS_KEY_ID: 'secret',
  VARVE_FROM_AWS_SECRET_ACCESS_KEY: 'secret',
};
const AWS = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'key', AWS_SESSION_TOKEN: 'key' };
const PLAIN = {
  PATH: '/bin',
  HOME: '/home/anna',
  SSH_AUTH_SOCK: '/tmp/agent',
  AWS_PROFILE: 'backup',
  RCLONE_TRANSFERS: '2',
};
const ALL = { ...SECRETS, ...AWS, ...PLAIN };

test('childEnvironment gives no child a repository’s password or key', () => {
  for (const kind of KINDS) assert.doesNotMatch(JSON.stringify(childEnvironment(kind, ALL)), /secret/, kind);
});

test('childEnvironment keeps what ssh, rclone and commands of the user need', () => {
  for (const kind of ['ssh', 'rclone', 'password-command', 'source-command'] as const) {
    const { PATH, HOME, SSH_AUTH_SOCK, AWS_PROFILE, RCLONE_TRANSFERS } = childEnvironment(kind, ALL);
    assert.deepEqual({ PATH, HOME, SSH_AUTH_SOCK, AWS_PROFILE, RCLONE_TRANSFERS }, PLAIN);
  }
  assert.deepEqual(childEnvironment('system', ALL), { PATH: '/bin' });
});

test('childEnvironment gives AWS keys only to programs that may need them', () => {
  const hasKeys = (kind: ChildKind, location?: string): boolean =>
    JSON.stringify(childEnvironment(kind, ALL, location)).includes('"key"');
  assert.deepEqual(
    KINDS.map((kind) => hasKeys(kind)),
    [false, true, true, true, false],
  );
  assert.equal(hasKeys('source-command', 's3:https://host/bucket'), false);
});
