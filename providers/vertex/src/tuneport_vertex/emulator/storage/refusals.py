"""What the JSON API of Cloud Storage says when it refuses."""

from __future__ import annotations

from tuneport.testing.emulator import Problem, Refusal
from tuneport_vertex.emulator.refusals import storage


def refuse(problem: Problem) -> Refusal:
    if problem.kind == "unreadable":
        return storage(400, "parseError", "Parse Error")
    if problem.kind == "missing":
        return storage(400, "required", f"Required parameter: {problem.path}")
    return storage(400, "invalid", f"Invalid value for: {problem.path}: {problem.given!r} ({problem.kind})")


def anonymous() -> Refusal:
    message = (
        "Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object. Permission 'storage.objects.get' "
        "denied on resource (or it may not exist)."
    )
    return storage(401, "required", message)


def forbidden(email: str, permission: str, kind: str) -> Refusal:
    """`kind`: bucket or object; one that does not exist answers the same to whoever may not know that."""
    message = (
        f"{email} does not have {permission} access to the Google Cloud Storage {kind}. Permission '{permission}' denied on resource "
        "(or it may not exist)."
    )
    return storage(403, "forbidden", message)


def no_bucket() -> Refusal:
    return storage(404, "notFound", "The specified bucket does not exist.")


def no_object(bucket: str, name: str) -> Refusal:
    return storage(404, "notFound", f"No such object: {bucket}/{name}")


def precondition() -> Refusal:
    return storage(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def not_modified() -> Refusal:
    return storage(304, "notModified", "Not Modified")


def bad_hash(kind: str, given: str, computed: str) -> Refusal:
    message = (
        f'Provided {kind} hash "{given}" doesn\'t match calculated {kind} hash "{computed}".'
        if kind == "MD5"
        else f'Provided {kind.upper()} "{given}" doesn\'t match calculated {kind.upper()} "{computed}".'
    )
    return storage(400, "invalid", message)


def bad_chunk(message: str) -> Refusal:
    return storage(400, "invalid", message)


def no_upload() -> Refusal:
    return storage(404, "notFound", "The resumable upload session does not exist, or it has expired.")


def bucket_taken() -> Refusal:
    return storage(409, "conflict", "Your previous request to create the named bucket succeeded and you already own it.")


def bucket_full() -> Refusal:
    return storage(409, "conflict", "The bucket you tried to delete is not empty.")


def storage_required(name: str) -> Refusal:
    return storage(400, "required", f"Required parameter: {name}")
