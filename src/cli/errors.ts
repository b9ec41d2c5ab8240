/** The two ways in which a command ends badly, each with its exit status. */

/** The command line makes no sense: exit status 2, with a hint at `--help`. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What was asked for could not be done, or not all of it: exit status 1. The message is all that people are shown. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}
