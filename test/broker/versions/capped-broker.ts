/**
 * A broker that seems to speak less than it does: a relay in front of a real one that changes its answer to ApiVersions
 * and nothing else, so that our requests are made in every version there is, and judged by a real broker. Notes what came.
 */

import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

import type { Api } from '#src/wire/api.js'
import { decodeRequestHeader, decodeResponse, encodeResponse } from '#src/wire/frame.js'
import { ApiVersions, type ApiVersion } from '#src/wire/messages/api-versions.js'

export interface CappedBroker {
  /** host:port of the relay. */
  readonly address: string
  /** For `mapAddress`: brokers are to be reached here, whatever they advertise. */
  readonly mapAddress: () => { host: string; port: number }
  /** Versions of an API that requests came in, ascending. */
  versionsUsed(api: Api<unknown, unknown>): number[]
  close(): void
}

/** @param offer what to say of an API that the broker speaks; its own range to leave it */
export async function capBroker(broker: string, offer: (api: ApiVersion) => ApiVersion): Promise<CappedBroker> {
  const [host = '', port = ''] = broker.split(':')
  const used = new Map<number, Set<number>>()
  const sockets = new Set<Socket>()

  const relay = (client: Socket): void => {
    const server = connect(Number(port), host)
    /** Requests for ApiVersions that are not answered yet: correlation id to version. */
    const asked = new Map<number, number>()
    eachFrame(client, (frame) => {
      const { apiKey, apiVersion, correlationId } = decodeRequestHeader(frame.subarray(4))
      if (apiKey === ApiVersions.key) asked.set(correlationId, apiVersion)
      else used.set(apiKey, (used.get(apiKey) ?? new Set()).add(apiVersion))
      server.write(frame)
    })
    eachFrame(server, (frame) => {
      const correlationId = frame.readInt32BE(4)
      const version = asked.get(correlationId)
      asked.delete(correlationId)
      // A refusal comes in version 0, whatever was asked; it is handed on as it is.
      const isAnswer = version !== undefined && frame.readInt16BE(8) === 0
      if (!isAnswer) client.write(frame)
      else for (const chunk of capped(frame, version, correlationId)) client.write(chunk)
    })
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {}) // 'close' follows
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  }

  const capped = (frame: Buffer, version: number, correlationId: number): Uint8Array[] => {
    const { message } = decodeResponse(ApiVersions, version, frame.subarray(4))
    return encodeResponse(ApiVersions, version, correlationId, { ...message, apiKeys: message.apiKeys.map(offer) })
  }

  const listener = createServer(relay)
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const own = listener.address() as AddressInfo
  return {
    address: `127.0.0.1:${own.port}`,
    mapAddress: () => ({ host: '127.0.0.1', port: own.port }),
    versionsUsed: ({ key }) => [...(used.get(key) ?? [])].toSorted((a, b) => a - b),
    close: () => {
      listener.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function eachFrame(socket: Socket, onFrame: (frame: Buffer) => void): void {
  let bytes: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
      const end = 4 + bytes.readInt32BE(0)
      onFrame(bytes.subarray(0, end))
      bytes = bytes.subarray(end)
    }
  })
}
