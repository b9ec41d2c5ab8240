/** Where messages for people go. Silent unless the application gives one; `console` and pino fit as they are. */
export interface Logger {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

const ignore = (): void => {}

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** The logger, made harmless: what it throws is dropped, for a message that is lost must not stop what it tells of. */
export function guardedLogger(logger: Logger): Logger {
  if (logger === silentLogger) return logger
  const guarded =
    (level: keyof Logger) =>
    (message: string): void => {
      try {
        logger[level](message)
      } catch {
        // There is nobody else to tell.
      }
    }
  return { debug: guarded('debug'), info: guarded('info'), warn: guarded('warn'), error: guarded('error') }
}
