"""Local models behind an OpenAI-compatible server.

    app        HTTP: routes, key, streams                       (starlette)
    request    a request's JSON, checked                        -> ChatRequest
    menu       the models by name, their prompts and limits
    engine     one thread that owns the networks, and decides whose turn it is
    flight     rows of one model that are answered together; they come and go between two steps
    words      tokens into text that later tokens do not change
    calls      text into content, thoughts and tool calls       (the response parser of transformers)
    wire       answers and errors as JSON
    address    the socket
    running    the signals, the end                             (uvicorn)
    vllm       the same models handed to vLLM, where it is installed

Requests meet the networks in `engine` alone: everything else runs beside it.
"""
