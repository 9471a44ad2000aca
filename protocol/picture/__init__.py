"""Pictures, at both ends of the link: what a sensor makes of a scene, and what a phone makes of a frame's packets.

`sensor` mosaics a picture into the samples of a frame, `assembly` puts its blocks together again, `dng` and `preview`
write it. Whatever the size of the frame, only its packed data stands in memory, once; samples are worked on in bands
of rows. `formats` and `assembly` need nothing but the codec; the others need numpy, those that read or write files
Pillow too: pip install 'opalink[picture]'.
"""
