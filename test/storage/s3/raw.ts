import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { CephServer } from '../../servers/ceph.js';

// It warns that later versions do not run on Node 20.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

/** A client of the server that knows nothing of varve. */
export function rawClient({ endpoint, user }: Pick<CephServer, 'endpoint' | 'user'>): S3Client {
  return new S3Client({
    endpoint,
    credentials: user,
    region: 'us-east-1',
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
}

export async function putRaw(server: CephServer, bucket: string, key: string, bytes: Uint8Array): Promise<void> {
  const client = rawClient(server);
  try {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
  } finally {
    client.destroy();
  }
}
