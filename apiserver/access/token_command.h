// huatuo-apiserver token create --name NAME --role ROLE [--namespace NAMESPACE]... [--expires TIME]
#pragma once

namespace huatuo {

// Whether the arguments of the process are of this command.
bool IsTokenCommand(int argc, char** argv);

// Prints a new token, which is kept nowhere, and its entry for api_tokens_file. Returns the exit
// code: 2 when the arguments are refused.
int RunTokenCommand(int argc, char** argv);

}  // namespace huatuo
