/** Linux's error numbers (asm-generic/errno.h) that a file server answers with. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOPNOTSUPP: 95,
  ESTALE: 116,
} as const;

/** An operation was refused; the guest gets the number. */
export class FileError extends Error {
  override name = "FileError";
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

/** One for each number: a name that is not there is the most common answer, and a stack costs microseconds. */
const errors = new Map<number, FileError>();

/** @throws FileError always */
export function refuse(errno: number): never {
  let error = errors.get(errno);
  if (error === undefined) {
    error = new FileError(errno);
    errors.set(errno, error);
  }
  throw error;
}

/** What a call of ffi/files.ts returned. @throws FileError when that is a negative errno */
export function must(result: number): number {
  return result < 0 ? refuse(-result) : result;
}
