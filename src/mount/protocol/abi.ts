// Constants of the kernel's FUSE protocol (include/uapi/linux/fuse.h), as far as varve uses them.
// The layouts of requests and replies are in requests.ts and replies.ts.

export const LOOKUP = 1;
export const FORGET = 2;
export const GETATTR = 3;
export const READLINK = 5;
export const READ = 15;
export const STATFS = 17;
export const RELEASE = 18;
export const GETXATTR = 22;
export const LISTXATTR = 23;
export const INIT = 26;
export const OPENDIR = 27;
export const READDIR = 28;
export const RELEASEDIR = 29;
export const INTERRUPT = 36;
export const DESTROY = 38;
export const BATCH_FORGET = 42;
export const READDIRPLUS = 44;
export const LSEEK = 46;
export const STATX = 52;

export const MAJOR = 7;
/** The newest minor version that varve speaks: 39 has STATX, which has birth times. */
export const MINOR = 39;

/** Flags of INIT. */
export const ASYNC_READ = 1 << 0;
export const EXPORT_SUPPORT = 1 << 4;
export const DO_READDIRPLUS = 1 << 13;
export const ASYNC_DIO = 1 << 15;
export const PARALLEL_DIROPS = 1 << 18;
export const POSIX_ACL = 1 << 20;
export const MAX_PAGES = 1 << 22;
export const CACHE_SYMLINKS = 1 << 23;
/** After one ENOSYS to OPENDIR, the kernel opens directories without asking. */
export const NO_OPENDIR_SUPPORT = 1 << 24;
export const EXPLICIT_INVAL_DATA = 1 << 25;

/** Flags of the reply to OPENDIR: the kernel may cache the listing. */
export const KEEP_CACHE = 1 << 1;
export const CACHE_DIR = 1 << 3;

export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** Bytes of the longest name that the kernel accepts in a listing. */
export const NAME_MAX = 255;

/** Linux's error numbers, the same on all architectures that varve mounts on. */
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EAGAIN = 11;
export const EACCES = 13;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EINVAL = 22;
export const ERANGE = 34;
export const ENAMETOOLONG = 36;
export const ENOSYS = 38;
export const ENODATA = 61;
