export * from './blob-id.js';
export { type Certificate, type CertificateBytes, SLOT_ID_LENGTH } from './certificate.js';
export type { CryptoEngine } from './engine.js';
export * from './footer.js';
export {
  createRepositoryKeys,
  type ExportedKeys,
  exportKeys,
  importKeys,
  type RepositoryKeys,
  type Revocation,
  type Role,
  roleError,
} from './hierarchy.js';
export { nativeEngine } from './native.js';
export * from './pack-key.js';
export { portableEngine } from './portable.js';
export * from './sealed.js';
export * from './signed.js';
export * from './slot.js';
export { DEFAULT_LOG2N, MAX_LOG2N, MIN_LOG2N } from './slot-file.js';
