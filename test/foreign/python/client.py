"""aiokafka at the terminal, for tests: one JSON document on standard input says what to do, and what came of it goes to
standard output as JSON, a line at a time."""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition


def encoded(text):
    return None if text is None else text.encode()


def decoded(data):
    return None if data is None else data.decode()


def say(what):
    print(json.dumps(what), flush=True)


async def produce(job):
    codec = job.get("codec", "none")
    producer = AIOKafkaProducer(
        bootstrap_servers=job["bootstrapServers"],
        compression_type=None if codec == "none" else codec,
        enable_idempotence=job.get("idempotent", False),
        linger_ms=5,
    )
    await producer.start()
    try:
        sent = [
            await producer.send(
                job["topic"],
                encoded(record["value"]),
                encoded(record["key"]),
                partition=record.get("partition"),
                headers=[(name, value.encode()) for name, value in record["headers"]],
            )
            for record in job["records"]
        ]
        for one in await asyncio.gather(*sent):
            say({"partition": one.partition, "offset": one.offset})
    finally:
        await producer.stop()


async def consume(job):
    """Reads `count` records as a member of a group, and commits them."""
    consumer = AIOKafkaConsumer(
        job["topic"],
        bootstrap_servers=job["bootstrapServers"],
        group_id=job["group"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level=job.get("isolation", "read_uncommitted"),
        heartbeat_interval_ms=200,
    )
    await consumer.start()
    try:
        count = 0
        while count < job["count"]:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=job["count"] - count)).values():
                count += len(records)
                for record in records:
                    say(
                        {
                            "partition": record.partition,
                            "offset": record.offset,
                            "key": decoded(record.key),
                            "value": decoded(record.value),
                            "headers": [[name, decoded(value)] for name, value in record.headers],
                        }
                    )
        await consumer.commit()
    finally:
        await consumer.stop()


async def transact(job):
    """Copies `count` records of a topic to another, in capitals, with their offsets in the same transaction; `end` says how it
    ends. Tells what it copied."""
    consumer = AIOKafkaConsumer(
        job["topic"],
        bootstrap_servers=job["bootstrapServers"],
        group_id=job["group"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        heartbeat_interval_ms=200,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=job["bootstrapServers"], transactional_id=job["transactionalId"], linger_ms=5
    )
    await consumer.start()
    await producer.start()
    try:
        await producer.begin_transaction()
        offsets = {}
        copied = []
        while len(copied) < job["count"]:
            batches = await consumer.getmany(timeout_ms=1000, max_records=job["count"] - len(copied))
            for place, records in batches.items():
                for record in records:
                    copied.append(await producer.send(job["to"], record.value.upper(), partition=place.partition))
                    offsets[place] = record.offset + 1
        for one in await asyncio.gather(*copied):
            say({"partition": one.partition, "offset": one.offset})
        await producer.send_offsets_to_transaction(offsets, job["group"])
        if job["end"] == "commit":
            await producer.commit_transaction()
        else:
            await producer.abort_transaction()
    finally:
        await producer.stop()
        await consumer.stop()


async def join(job):
    """Is a member of a group until standard input ends; tells how many partitions it has, and each value it reads."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=job["bootstrapServers"],
        group_id=job["group"],
        auto_offset_reset="earliest",
        heartbeat_interval_ms=200,
    )
    await consumer.start()
    consumer.subscribe([job["topic"]])

    async def read():
        told = None
        while True:
            batches = await consumer.getmany(timeout_ms=50)
            partitions = len(consumer.assignment())
            if partitions != told:
                told = partitions
                say({"partitions": partitions})
            for records in batches.values():
                for record in records:
                    say({"value": decoded(record.value)})

    reading = asyncio.create_task(read())
    ending = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    try:
        await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            await reading
    finally:
        reading.cancel()
        await consumer.stop()


async def offsets(job):
    """The ends of a partition, what a group has committed there, and what comes after a moment."""
    consumer = AIOKafkaConsumer(bootstrap_servers=job["bootstrapServers"], group_id=job["group"])
    await consumer.start()
    try:
        place = TopicPartition(job["topic"], 0)
        found = (await consumer.offsets_for_times({place: job["timestamp"]}))[place]
        say(
            {
                "beginning": (await consumer.beginning_offsets([place]))[place],
                "end": (await consumer.end_offsets([place]))[place],
                "committed": await consumer.committed(place),
                "forTime": None if found is None else found.offset,
            }
        )
    finally:
        await consumer.stop()


if __name__ == "__main__":
    job = json.loads(sys.stdin.readline())
    jobs = {"produce": produce, "consume": consume, "transact": transact, "join": join, "offsets": offsets}
    asyncio.run(jobs[job["do"]](job))
