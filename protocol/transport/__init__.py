"""The bench binding over whatever carries bytes: TCP, UNIX sockets, standard input and output, in process."""
