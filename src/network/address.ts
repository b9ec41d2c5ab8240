/** An address as people read it. */

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** `host:port`, with brackets where the host has colons of its own. */
export function formatAddress({ host, port }: HostAndPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
